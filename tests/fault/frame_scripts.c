/* SPDX-License-Identifier: MIT */
#include "websocket_scripts.h"

#define RUN_10(c)  c c c c c c c c c c
#define RUN_50(c)  RUN_10(c) RUN_10(c) RUN_10(c) RUN_10(c) RUN_10(c)
#define RUN_100(c) RUN_50(c) RUN_50(c)
#define RUN_200(c) RUN_100(c) RUN_100(c)
#define RUN_400(c) RUN_200(c) RUN_200(c)
#define RUN_600(c) RUN_400(c) RUN_200(c)
#define RUN_125(c) RUN_100(c) RUN_10(c) RUN_10(c) c c c c c
#define RUN_126(c) RUN_125(c) c
#define RUN_990(c) \
    RUN_600(c) RUN_200(c) RUN_100(c) RUN_50(c) RUN_10(c) RUN_10(c) RUN_10(c) RUN_10(c)

/* What it does, messages delivered, its end, the frames. */
#define FRAMES(text) .bytes = (text), .len = sizeof(text) - 1
#define GOOD(name, messages, text)                                  \
    {                                                               \
        name, {FRAMES(text)}, TROUPE_OK, NULL, 1000, messages, NULL \
    }
#define PINGS(name, messages, pong, text)                           \
    {                                                               \
        name, {FRAMES(text)}, TROUPE_OK, NULL, 1000, messages, pong \
    }
#define BAD(name, messages, words, text)                                    \
    {                                                                       \
        name, {FRAMES(text)}, TROUPE_EPROTOCOL, words, 1002, messages, NULL \
    }
#define LONG(name, messages, text)                                          \
    {                                                                       \
        name, {FRAMES(text)}, TROUPE_ELIMIT, "longer", 1009, messages, NULL \
    }
#define NO_UTF8(name, messages, text)                                         \
    {                                                                         \
        name, {FRAMES(text)}, TROUPE_EPROTOCOL, "utf-8", 1007, messages, NULL \
    }
#define CLOSES(name, messages, code, words, text)                         \
    {                                                                     \
        name, {FRAMES(text)}, TROUPE_ECLOSED, words, code, messages, NULL \
    }
#define ENDS(name, how, messages, words, text)                                              \
    {                                                                                       \
        name, {FRAMES(text), .end = (how)}, TROUPE_ECLOSED, words, NO_CLOSE, messages, NULL \
    }

const websocket_script frame_scripts[] = {
    /* Conversations that come through. */
    GOOD("sends short messages", 4, "\x81\x02hi\x81\x00\x82\x02\x00\xff\x81}" RUN_125("x")),
    GOOD("sends a message of 126 bytes", 2, "\x82~\x00~" RUN_126("b") "\x81\x02hi"),
    GOOD("fragments a message, empty fragments among them", 2,
         "\x01\x00\x00\x02"
         "ab\x00\x00\x00\x01"
         "c\x80\x00\x81\x02hi"),
    PINGS("puts pings and pongs between fragments", 2, "last",
          "\x02\x01"
          "a\x89\x03one\x00\x01"
          "b\x8a\x00\x89\x00\x8a\x0bnever asked\x80\x01"
          "c\x89\x04last\x81\x02hi"),
    PINGS("splits characters between fragments", 2, "p",
          "\x01\x01\xce\x00\x02\xba\xf0\x00\x01\x9f\x89\x01p\x00\x01\x92\x80\x01\xa9\x81\x02\xc3"
          "\xa9"),
    GOOD("sends bytes that are no text, as binary", 1, "\x82\x06\xff\xfe\xed\xa0\x80\x00"),
    GOOD("sends a message as long as the limit", 2,
         "\x02~\x03\xde" RUN_990("y") "\x80\x0azzzzzzzzzz\x81\x02hi"),
    PINGS("pings with 125 bytes", 1, RUN_125("p"), "\x89}" RUN_125("p") "\x81\x02hi"),

    /* RSV bits, masks, opcodes. */
    BAD("sets RSV1 on a text frame (nothing was negotiated)", 1, "reserved|rsv",
        "\x81\x02hi\xc1\x01x"),
    BAD("sets RSV2", 0, "reserved|rsv", "\xa1\x01x"),
    BAD("sets RSV3", 0, "reserved|rsv", "\x91\x01x"),
    BAD("sets RSV1 on a continuation", 0, "reserved|rsv", "\x01\x01x\xc0\x01y"),
    BAD("sets RSV2 on a ping", 0, "reserved|rsv", "\xa9\x00"),
    BAD("sets RSV1 on a close frame", 0, "reserved|rsv", "\xc8\x02\x03\xe8"),
    BAD("masks a text frame", 1, "mask", "\x81\x02hi\x81\x81\x01\x02\x03\x04y"),
    BAD("masks an empty frame", 0, "mask", "\x82\x80\x01\x00\x00\x00"),
    BAD("masks a ping", 0, "mask", "\x89\x81\x01\x02\x03\x04y"),
    BAD("masks a close frame", 0, "mask", "\x88\x82\x01\x02\x03\x04\x02\xea"),
    BAD("uses opcode 3", 0, "opcode|frame", "\x83\x01x"),
    BAD("uses opcode 7", 0, "opcode|frame", "\x87\x01x"),
    BAD("uses opcode 11", 0, "opcode|frame", "\x8b\x01x"),
    BAD("uses opcode 15", 0, "opcode|frame", "\x8f\x01x"),

    /* Fragments and lengths. */
    BAD("continues nothing", 0, "continu", "\x80\x01x"),
    BAD("continues what has ended", 1, "continu",
        "\x01\x01"
        "a\x80\x01"
        "b\x00\x01"
        "c"),
    BAD("begins a text inside a fragmented message", 0, "message|fragment",
        "\x01\x01"
        "a\x81\x01"
        "b"),
    BAD("begins a binary inside a fragmented message", 0, "message|fragment",
        "\x01\x01"
        "a\x02\x01"
        "b"),
    BAD("fragments a ping", 0, ".", "\x09\x01x"),
    BAD("fragments a close frame", 0, ".", "\x08\x02\x03\xe8"),
    BAD("pings with 126 bytes", 0, ".", "\x89~\x00~pppppp"),
    BAD("closes with 126 bytes", 0, ".", "\x88~\x00~\x03\xe8pppp"),
    BAD("writes a short length in 16 bits", 0, ".", "\x81~\x00\x05hello"),
    BAD("writes a short length in 64 bits", 0, ".",
        "\x81\x7f\x00\x00\x00\x00\x00\x00\x00\x05hello"),
    BAD("writes a length of 64 bits, the highest set", 0, ".",
        "\x81\x7f\x80\x00\x00\x00\x00\x00\x00\x01x"),
    LONG("announces a message one byte over the limit", 1, "\x81\x02hi\x81~\x03\xe9x"),
    LONG("announces 2^63 - 1 bytes", 0, "\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff"),
    LONG("fragments a message over the limit", 0,
         "\x02~\x02X" RUN_600("y") "\x00~\x01\x90" RUN_400("y") "\x80\x01z"),
    LONG("announces 2^63 - 1 bytes in a second fragment", 0,
         "\x02\x01y\x80\x7f\x7f\xff\xff\xff\xff\xff\xff\xff"),

    /* Text that is none. */
    NO_UTF8("sends a text with a byte that is never UTF-8", 1,
            "\x81\x02hi\x81\x05"
            "ab\xff"
            "cd"),
    NO_UTF8("sends an overlong character", 0, "\x81\x02\xc0\xaf"),
    NO_UTF8("sends a surrogate", 0, "\x81\x03\xed\xa0\x80"),
    NO_UTF8("sends a character above U+10FFFF", 0, "\x81\x04\xf4\x90\x80\x80"),
    NO_UTF8("ends a text inside a character", 0,
            "\x81\x05"
            "abc\xe2\x82"),
    NO_UTF8("ends a fragmented text inside a character", 0,
            "\x01\x02"
            "a\xe2\x80\x01\x82"),
    NO_UTF8("ends a text inside a character with an empty frame", 0,
            "\x01\x02"
            "a\xe2\x00\x01\x82\x80\x00"),
    {"spoils a character in the third fragment, behind a ping",
     {FRAMES("\x01\x01\xf0\x00\x02\x9f\x92\x89\x00\x00\x01 \x80\x00")},
     TROUPE_EPROTOCOL,
     "utf-8",
     1007,
     0,
     ""},
    NO_UTF8("begins a text with the rest of a character", 0, "\x81\x02\x82\xac"),
    NO_UTF8("gives a reason for its close that is no UTF-8", 0, "\x88\x06\x03\xe8so \xff"),

    /* Close frames. */
    CLOSES("closes: 1000", 1, 1000, "1000", "\x81\x02hi\x88\x02\x03\xe8"),
    CLOSES("closes: 1001, and says why", 0, 1001, "1001.*bye",
           "\x88\x05\x03\xe9"
           "bye"),
    CLOSES("closes: 1011, and says why in Greek", 0, 1011, "1011",
           "\x88\x07\x03\xf3\xce\xba\xe1\xbd\xb9"),
    CLOSES("closes: 4999", 0, 4999, "4999", "\x88\x02\x13\x87"),
    CLOSES("closes without a code", 0, 0, "without a code", "\x88\x00"),
    CLOSES("closes inside a fragmented message", 0, 1000, "1000",
           "\x01\x01"
           "a\x88\x02\x03\xe8"),
    CLOSES("closes, and sends more behind it", 0, 1000, "1000",
           "\x88\x02\x03\xe8\x81\x02hi\x89\x01x\xff\xff\xff\xff"),
    BAD("closes with half a code", 0, "close", "\x88\x01\x03"),
    BAD("closes: 0", 0, "close", "\x88\x02\x00\x00"),
    BAD("closes: 999", 0, "close", "\x88\x02\x03\xe7"),
    BAD("closes: 1004", 0, "close", "\x88\x02\x03\xec"),
    BAD("closes: 1005", 0, "close", "\x88\x02\x03\xed"),
    BAD("closes: 1006", 0, "close", "\x88\x02\x03\xee"),
    BAD("closes: 1015", 0, "close", "\x88\x02\x03\xf7"),
    BAD("closes: 1016", 0, "close", "\x88\x02\x03\xf8"),
    BAD("closes: 2999", 0, "close", "\x88\x02\x0b\xb7"),
    BAD("closes: 5000", 0, "close", "\x88\x02\x13\x88"),
    BAD("closes: 65535", 0, "close", "\x88\x02\xff\xff"),

    /* Ends without a close frame. */
    ENDS("half closes", PEER_HALF_CLOSE, 1, "without", "\x81\x02hi"),
    ENDS("half closes inside a frame", PEER_HALF_CLOSE, 1, "without", "\x81\x02hi\x81\x05he"),
    ENDS("closes the socket", PEER_CLOSES, 1, "without|reset", "\x81\x02hi"),
    ENDS("resets", PEER_RESETS, 1, "reset", "\x81\x02hi"),
    ENDS("resets inside a fragmented message", PEER_RESETS, 0, "reset",
         "\x01\x01"
         "a\x00\x01"),
};

const size_t frame_script_count = sizeof frame_scripts / sizeof frame_scripts[0];
