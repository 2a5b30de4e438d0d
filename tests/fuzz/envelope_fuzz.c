/* SPDX-License-Identifier: MIT */
/* What is read as an envelope can be written, and then reads as the same; faults can be read. */
#include "fuzz.h"

#include "troupe/envelope.h"

static bool same(const char *a, size_t a_len, const char *b, size_t b_len)
{
    return (a == NULL) == (b == NULL) && a_len == b_len && (a == NULL || memcmp(a, b, a_len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    troupe_bytes rest = {data, size};
    troupe_envelope a;
    size_t used;
    while (troupe_envelope_read(rest, &a, &used) == TROUPE_OK) {
        CHECK(used > 0 && used <= rest.len);
        troupe_fault_view fault;
        troupe_fault_read(&a, &fault);
        troupe_buffer buffer = {0};
        CHECK(troupe_envelope_write(&buffer, &a) == TROUPE_OK);
        troupe_envelope b;
        size_t again;
        CHECK(troupe_envelope_read(troupe_buffer_bytes(&buffer), &b, &again) == TROUPE_OK);
        CHECK(again == buffer.len);
        CHECK(a.kind == b.kind && a.to == b.to && a.from == b.from && a.ref == b.ref);
        CHECK(same(a.verb, a.verb_len, b.verb, b.verb_len));
        CHECK(a.meta.timeout_ms == b.meta.timeout_ms && a.meta.has_epoch == b.meta.has_epoch);
        CHECK(a.meta.epoch == b.meta.epoch);
        CHECK(same(a.meta.trace, a.meta.trace_len, b.meta.trace, b.meta.trace_len));
        CHECK(same(a.meta.session, a.meta.session_len, b.meta.session, b.meta.session_len));
        CHECK(a.payload.len == b.payload.len &&
              (a.payload.len == 0 || memcmp(a.payload.data, b.payload.data, a.payload.len) == 0));
        troupe_buffer_fini(&buffer);
        rest.data += used;
        rest.len -= used;
    }
    return 0;
}
