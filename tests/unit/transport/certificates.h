/* SPDX-License-Identifier: MIT */
/** For tests of TLS: an authority and certificates of it, made afresh, as PEM files in a directory
 * of their own. */
#ifndef TROUPE_TESTS_CERTIFICATES_H
#define TROUPE_TESTS_CERTIFICATES_H

#include <criterion/criterion.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

typedef struct certificates {
    char directory[40];
    char ca[60];      /* the authority */
    char other[60];   /* another authority */
    char server[60];  /* with its key; for 127.0.0.1, localhost, browser.example */
    char expired[60]; /* likewise, of yesterday */
    char named[60];   /* for elsewhere.example alone */
    char client[60];  /* with its key */
    char client_cert[60];
    char client_key[60];
    char client_other[60]; /* of the other authority, with its key */
} certificates;

typedef struct certificate_pair {
    X509 *cert;
    EVP_PKEY *key;
} certificate_pair;

/** One that `issuer` has signed, or itself (NULL); names as in subjectAltName, NULL = an authority.
 */
static inline certificate_pair certificate_make(const char *subject, const char *names, long days,
                                                const certificate_pair *issuer)
{
    static long serial;
    certificate_pair made = {X509_new(), EVP_EC_gen("P-256")};
    X509_set_version(made.cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(made.cert), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(made.cert), -86400L * 3);
    X509_gmtime_adj(X509_getm_notAfter(made.cert), 86400L * days);
    X509_set_pubkey(made.cert, made.key);
    X509_NAME *name = X509_get_subject_name(made.cert);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)subject, -1, -1, 0);
    const X509 *signer = issuer == NULL ? made.cert : issuer->cert;
    X509_set_issuer_name(made.cert, X509_get_subject_name(signer));
    X509_EXTENSION *extension =
        names != NULL ? X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, names)
                      : X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints, "critical,CA:TRUE");
    X509_add_ext(made.cert, extension, -1);
    X509_EXTENSION_free(extension);
    X509_sign(made.cert, issuer == NULL ? made.key : issuer->key, EVP_sha256());
    return made;
}

static inline void certificate_write(const certificates *c, char path[60], const char *name,
                                     const X509 *cert, EVP_PKEY *key)
{
    snprintf(path, 60, "%s/%s.pem", c->directory, name);
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file);
    if (cert != NULL) {
        PEM_write_X509(file, (X509 *)(uintptr_t)cert);
    }
    if (key != NULL) {
        PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL);
    }
    fclose(file);
}

static inline void certificate_free(certificate_pair *pair)
{
    X509_free(pair->cert);
    EVP_PKEY_free(pair->key);
}

static inline void certificates_make(certificates *c)
{
    snprintf(c->directory, sizeof(c->directory), "/tmp/troupe-certs-XXXXXX");
    cr_assert_not_null(mkdtemp(c->directory));
    const char *here = "IP:127.0.0.1,IP:::1,DNS:localhost,DNS:browser.example,"
                       "DNS:xn--bcher-kva.example";
    certificate_pair ca = certificate_make("authority", NULL, 2, NULL);
    certificate_pair other = certificate_make("other authority", NULL, 2, NULL);
    certificate_pair server = certificate_make("server", here, 2, &ca);
    certificate_pair expired = certificate_make("server", here, -1, &ca);
    certificate_pair named = certificate_make("server", "DNS:elsewhere.example", 2, &ca);
    certificate_pair client = certificate_make("client", "DNS:client", 2, &ca);
    certificate_pair stranger = certificate_make("client", "DNS:client", 2, &other);
    certificate_write(c, c->ca, "ca", ca.cert, NULL);
    certificate_write(c, c->other, "other", other.cert, NULL);
    certificate_write(c, c->server, "server", server.cert, server.key);
    certificate_write(c, c->expired, "expired", expired.cert, expired.key);
    certificate_write(c, c->named, "named", named.cert, named.key);
    certificate_write(c, c->client, "client", client.cert, client.key);
    certificate_write(c, c->client_cert, "client-cert", client.cert, NULL);
    certificate_write(c, c->client_key, "client-key", NULL, client.key);
    certificate_write(c, c->client_other, "client-other", stranger.cert, stranger.key);
    certificate_pair *const all[] = {&ca, &other, &server, &expired, &named, &client, &stranger};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        certificate_free(all[i]);
    }
}

static inline void certificates_remove(certificates *c)
{
    const char *const files[] = {c->ca,     c->other,       c->server,     c->expired,     c->named,
                                 c->client, c->client_cert, c->client_key, c->client_other};
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        unlink(files[i]);
    }
    rmdir(c->directory);
}

#endif
