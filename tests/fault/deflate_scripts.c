/* SPDX-License-Identifier: MIT */
/* With permessage-deflate agreed on. The first vectors are those of RFC 7692, section 7.2.3. */
#include "websocket_scripts.h"

#define STATUS                                                                          \
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" \
    "Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Extensions: "
#define AGREED STATUS "permessage-deflate\r\n\r\n"

#define FRAMES(text)                                               \
    {                                                              \
        .answer = AGREED, .bytes = (text), .len = sizeof(text) - 1 \
    }
#define PACKED(name, messages, text)                              \
    {                                                             \
        name, FRAMES(text), TROUPE_OK, NULL, 1000, messages, NULL \
    }
#define BAD(name, messages, words, text)                                  \
    {                                                                     \
        name, FRAMES(text), TROUPE_EPROTOCOL, words, 1002, messages, NULL \
    }
#define SPOILT(name, messages, words, text)                               \
    {                                                                     \
        name, FRAMES(text), TROUPE_EPROTOCOL, words, 1007, messages, NULL \
    }
#define LONG(name, messages, text)                                        \
    {                                                                     \
        name, FRAMES(text), TROUPE_ELIMIT, "longer", 1009, messages, NULL \
    }

const websocket_script deflate_scripts[] = {
    /* Conversations that come through. */
    PACKED("compresses a message", 1, "\xc1\x07\xf2H\xcd\xc9\xc9\x07\x00"),
    {"compresses a message in two fragments, a ping between them",
     FRAMES("A\x03\xf2H\xcd\x89\x01x\x80\x04\xc9\xc9\x07\x00"), TROUPE_OK, NULL, 1000, 1, "x"},
    PACKED("compresses a message in fragments of one byte", 1,
           "A\x01\xf2\x00\x01H\x00\x01\xcd\x00\x01\xc9\x00\x01\xc9\x00\x01\x07\x80\x01\x00"),
    PACKED("compresses with the context of the message before", 3,
           "\xc1\x07\xf2H\xcd\xc9\xc9\x07\x00\xc1\x05\xf2\x00\x11\x00\x00\x81\x05plain"),
    PACKED("sends stored blocks", 1, "\xc1\x0b\x00\x05\x00\xfa\xffHello\x00"),
    PACKED("ends a message with a final block", 2,
           "\xc1\x08\xf3H\xcd\xc9\xc9\x07\x00\x00\xc1\x07\xf2H\xcd\xc9\xc9\x07\x00"),
    PACKED("sends two blocks in a message", 1,
           "\xc1\x0d\xf2H\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"),
    PACKED("compresses nothing", 2, "\xc1\x01\x00\xc2\x01\x00"),
    PACKED("compresses a message as long as the limit", 1,
           "\xc1\x0bJL\x1c\x05\xa3`\x14\x0cw\x00\x00"),

    /* Faults. */
    BAD("sets RSV1 on a continuation", 0, "reserved", "A\x03\xf2H\xcd\xc0\x04\xc9\xc9\x07\x00"),
    BAD("sets RSV1 on a ping", 0, "reserved", "\xc9\x07\xf2H\xcd\xc9\xc9\x07\x00"),
    BAD("sets RSV1 and RSV2", 0, "reserved", "\xe1\x07\xf2H\xcd\xc9\xc9\x07\x00"),
    SPOILT("sends what is not deflate", 1, "decompress",
           "\xc1\x07\xf2H\xcd\xc9\xc9\x07\x00\xc1\x04\xff\xff\xff\xff"),
    SPOILT("ends a compressed message inside a block", 0, "decompress", "\xc1\x04\xf2H\xcd\xc9"),
    SPOILT("reaches back before the first message", 0, "decompress",
           "\xc1\x05\xf2\x00\x11\x00\x00"),
    SPOILT("compresses text that is no UTF-8", 0, "utf-8", "\xc1\x07JL\xfa\x9f\x9c\x02\x00"),
    SPOILT("compresses text that ends inside a character", 0, "utf-8",
           "A\x03JLz\x80\x03\xd4\x04\x00"),
    LONG("compresses one byte more than the limit", 0, "\xc1\x0bJL\x1c\x05\xa3`\x14\x0c{\x00\x00"),
    LONG("compresses a megabyte into a kilobyte", 0,
         "\xc2~\x03\xd9\xec\xc1\x01\x01\x00\x00\x00\x82 "
         "\xff\xafnH@"
         "\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
         "\x00\x00\x00\x00\x00\x00\x00\x00"),
};

const size_t deflate_script_count = sizeof deflate_scripts / sizeof deflate_scripts[0];

#define AGREES(name, value)                                                                    \
    {                                                                                          \
        name, {.answer = STATUS value "\r\n\r\n", .bytes = "\x81\x02hi", .len = 4}, TROUPE_OK, \
            NULL, 1000, 1, NULL                                                                \
    }
#define DISAGREES(name, value)                                       \
    {                                                                \
        name, {.answer = STATUS value "\r\n\r\n"}, TROUPE_EPROTOCOL, \
            "permessage-deflate|extension", NO_CLOSE, 0, NULL        \
    }

const websocket_script agreement_scripts[] = {
    AGREES("agrees on permessage-deflate, windows and contexts of its choice",
           "permessage-deflate; server_max_window_bits=9; client_max_window_bits=\"10\";"
           "server_no_context_takeover ; client_no_context_takeover"),
    DISAGREES("agrees on another extension", "permessage-bzip2"),
    DISAGREES("agrees on one extension more", "permessage-deflate, x-mux"),
    DISAGREES("agrees on permessage-deflate twice", "permessage-deflate, permessage-deflate"),
    DISAGREES("sets a parameter that does not exist", "permessage-deflate; strength=9"),
    DISAGREES("sets a parameter twice",
              "permessage-deflate; client_no_context_takeover; client_no_context_takeover"),
    DISAGREES("sets a window twice",
              "permessage-deflate; client_max_window_bits=10; client_max_window_bits=10"),
    DISAGREES("sets a window of 16 bits", "permessage-deflate; client_max_window_bits=16"),
    DISAGREES("sets a window of 7 bits", "permessage-deflate; server_max_window_bits=7"),
    DISAGREES("sets a window of 08 bits", "permessage-deflate; server_max_window_bits=08"),
    DISAGREES("sets a window without a value", "permessage-deflate; client_max_window_bits"),
    DISAGREES("gives a value to what has none", "permessage-deflate; server_no_context_takeover=1"),
    DISAGREES("ends a parameter inside a string",
              "permessage-deflate; client_max_window_bits=\"10"),
};

const size_t agreement_script_count = sizeof agreement_scripts / sizeof agreement_scripts[0];
