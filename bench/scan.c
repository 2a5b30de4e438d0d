/* SPDX-License-Identifier: MIT */
/*
 * The scanner's speed: cdp_scan (finds the members of a message) and json_check (the whole grammar)
 * beside jansson's json_loadb, memchr for the NUL that ends a message on a pipe, and memcpy. Prints
 * one JSON line a document: GB/s, medians.
 *
 *   bench_scan [ROUNDS]
 */
#include "transport/cdp.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROUNDS_MAX 99
#define BATCH_BYTES                                                               \
    ((size_t)32 << 20) /* of one measure, at least; a document is repeated for it \
                        */

typedef struct document {
    const char *name;
    char *text;
    size_t len;
} document;

static char *copy_target;

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now); /* others' work does not count */
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* --- what is measured: each returns something, so that it is not optimised away ------------- */

static size_t run_scan(const document *doc)
{
    cdp_message m;
    if (cdp_scan(doc->text, doc->len, &m, NULL) != TROUPE_OK)
        abort();
    return m.params.len + m.result.len;
}

static size_t run_check(const document *doc)
{
    if (json_check(doc->text, doc->len, NULL) != TROUPE_OK)
        abort();
    return doc->len;
}

static size_t run_jansson(const document *doc)
{
    json_t *value = json_loadb(doc->text, doc->len, 0, NULL);
    if (value == NULL)
        abort();
    size_t size = json_object_size(value);
    json_decref(value);
    return size;
}

static size_t run_memchr(const document *doc)
{
    return (size_t)((char *)memchr(doc->text, 0, doc->len + 1) - doc->text);
}

static size_t run_memcpy(const document *doc)
{
    memcpy(copy_target, doc->text, doc->len);
    return (size_t)copy_target[doc->len / 2];
}

static const struct {
    const char *name;
    size_t (*run)(const document *doc);
    size_t divide; /* of the batch: slow ones need less of it */
} subjects[] = {{"cdp_scan", run_scan, 1},
                {"json_check", run_check, 1},
                {"jansson", run_jansson, 8},
                {"memchr", run_memchr, 1},
                {"memcpy", run_memcpy, 1}};

#define SUBJECTS (sizeof subjects / sizeof *subjects)

static int by_value(const void *a, const void *b)
{
    double left = *(const double *)a;
    double right = *(const double *)b;
    return (left > right) - (left < right);
}

static double measure(const document *doc, size_t subject)
{
    volatile size_t sink = 0;
    size_t times = BATCH_BYTES / subjects[subject].divide / doc->len + 1;
    double start = now_s();
    for (size_t i = 0; i < times; i++)
        sink = sink + subjects[subject].run(doc);
    (void)sink;
    return (double)doc->len * (double)times / (now_s() - start) / 1e9;
}

static void measure_all(const document *doc, int rounds)
{
    static double seen[SUBJECTS][ROUNDS_MAX];
    for (int round = 0; round < rounds; round++) {
        for (size_t i = 0; i < SUBJECTS; i++)
            seen[i][round] = measure(doc, i);
    }
    printf("{\"document\":\"%s\",\"bytes\":%zu", doc->name, doc->len);
    for (size_t i = 0; i < SUBJECTS; i++) {
        qsort(seen[i], (size_t)rounds, sizeof **seen, by_value);
        printf(",\"%s\":%.3f", subjects[i].name, seen[i][rounds / 2]);
    }
    printf("}\n");
}

/* --- documents ------------------------------------------------------------------------------ */

/* head, then `pattern` as often as fits into `size`, then tail */
static document build(const char *name, const char *head, const char *pattern, size_t size,
                      const char *tail)
{
    size_t head_len = strlen(head);
    size_t len = strlen(pattern);
    size_t tail_len = strlen(tail);
    char *text = malloc(head_len + size + tail_len + 1);
    if (text == NULL)
        abort();
    memcpy(text, head, head_len);
    size_t n = head_len;
    for (; len > 0 && n + len <= head_len + size; n += len)
        memcpy(text + n, pattern, len);
    memcpy(text + n, tail, tail_len + 1);
    return (document){name, text, n + tail_len};
}

#define SESSION "\"sessionId\":\"0A1B2C3D4E5F60718293A4B5C6D7E8F9\"}"

static const char answer_head[] = "{\"id\":4711,\"result\":{\"data\":\"";
static const char answer_tail[] = "\"}," SESSION;

static const char request_head[] =
    "{\"method\":\"Network.requestWillBeSent\",\"params\":{\"requestId\":\"4711.12\",\"loaderId\":"
    "\"E8F90A1B2C3D4E5F60718293A4B5C6D7\",\"documentURL\":\"https://shop.example/list?page=2\","
    "\"request\":{\"url\":\"https://shop.example/assets/app.3f9c1.js\",\"method\":\"GET\","
    "\"headers\":{\"Referer\":\"https://shop.example/\",\"sec-ch-ua\":\"\\\"Chromium\\\";v=\\\"156"
    "\\\", \\\"Not(A:Brand\\\";v=\\\"24\\\"\",\"User-Agent\":\"Mozilla/5.0 (X11; Linux x86_64) "
    "AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/156.0.0.0 Safari/537.36\"},"
    "\"mixedContentType\":\"none\",\"initialPriority\":\"High\",\"referrerPolicy\":"
    "\"strict-origin-when-cross-origin\",\"isSameSite\":true},\"timestamp\":17234.567891,"
    "\"wallTime\":1750000000.123456,\"initiator\":{\"type\":\"script\",\"stack\":{\"callFrames\":[";
static const char request_frame[] =
    "{\"functionName\":\"load\",\"scriptId\":\"17\",\"url\":\"https://shop.example/assets/app.js\","
    "\"lineNumber\":120,\"columnNumber\":4711},";
static const char request_tail[] =
    "{\"functionName\":\"\",\"scriptId\":\"17\",\"url\":\"\",\"lineNumber\":0,\"columnNumber\":0}]}"
    "},\"redirectHasExtraInfo\":false,\"type\":\"Script\",\"frameId\":"
    "\"3D4E5F60718293A4B5C6D7E8F90A1B2C\",\"hasUserGesture\":false}," SESSION;

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : 5;
    rounds = rounds < 1 ? 1 : rounds > ROUNDS_MAX ? ROUNDS_MAX : rounds;
    const size_t mib = (size_t)1 << 20;
    const char *node = "{\"nodeId\":17,\"backendNodeId\":204,\"nodeType\":1,\"nodeName\":\"DIV\","
                       "\"attributes\":[\"class\",\"row wide\",\"id\",\"main\"],\"children\":[]},";
    const char *letters = "iVBORw0KGgoAAAANSUhEUgAAAgAAAAIACAYAAAD0eNT6AAAABHNCSVQICAgI+/";
    const char *escapes = "\\\"key\\\":\\n\\t\\\"a\\\\b\\\" \\u00e9 ";
    document documents[] = {
        build("event, 200 bytes",
              "{\"method\":\"Network.dataReceived\",\"params\":{\"requestId\":\"4711.12\","
              "\"timestamp\":17234.567891,\"dataLength\":16384,\"encodedDataLength\":0",
              "", 0, "}," SESSION),
        build("Network.requestWillBeSent, 2 KiB", request_head, request_frame, 700, request_tail),
        build("1 MiB of small objects", "{\"id\":4711,\"result\":{\"nodes\":[", node, mib,
              "null]}," SESSION),
        build("1 MiB string", answer_head, letters, mib, answer_tail),
        build("64 MiB string", answer_head, letters, 64 * mib, answer_tail),
        build("1 MiB full of escapes", answer_head, escapes, mib, answer_tail),
    };
    copy_target = malloc(65 * mib);
    if (copy_target == NULL)
        abort();
    memset(copy_target, 1, 65 * mib);
    for (size_t i = 0; i < sizeof documents / sizeof *documents; i++)
        measure_all(&documents[i], rounds);
    return 0;
}
