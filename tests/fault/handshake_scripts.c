/* SPDX-License-Identifier: MIT */
#include "websocket_scripts.h"

#define STATUS     "HTTP/1.1 101 Switching Protocols\r\n"
#define UPGRADE    "Upgrade: websocket\r\n"
#define CONNECTION "Connection: Upgrade\r\n"
#define ACCEPT     "Sec-WebSocket-Accept: {accept}\r\n"
#define END        "\r\n"
#define HI         "\x81\x02hi"

#define GOOD(title, text)                                                                        \
    {                                                                                            \
        title, {.answer = (text), .bytes = HI, .len = sizeof(HI) - 1}, TROUPE_OK, NULL, 1000, 1, \
            NULL                                                                                 \
    }
#define BAD(title, text, wanted, words)                             \
    {                                                               \
        title, {.answer = (text)}, wanted, words, NO_CLOSE, 0, NULL \
    }
#define ENDS(title, text, how, wanted, words)                                     \
    {                                                                             \
        title, {.answer = (text), .end = (how)}, wanted, words, NO_CLOSE, 0, NULL \
    }

const websocket_script handshake_scripts[] = {
    GOOD("accepts", STATUS UPGRADE CONNECTION ACCEPT END),
    GOOD("accepts as Chrome does (`Upgrade: WebSocket`)",
         "HTTP/1.1 101 WebSocket Protocol Handshake\r\nUpgrade: WebSocket\r\n" CONNECTION ACCEPT
             END),
    GOOD("accepts, header names in small letters, no blanks, other headers",
         STATUS "date:x\r\nupgrade:websocket\r\nconnection:keep-alive, upgrade\r\n"
                "sec-websocket-accept:{accept}\r\nServer: \r\n" END),
    GOOD("accepts, with an empty reason phrase", "HTTP/1.1 101 \r\n" UPGRADE CONNECTION ACCEPT END),

    BAD("sends the accept key of another request",
        STATUS UPGRADE CONNECTION "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" END,
        TROUPE_EPROTOCOL, "accept"),
    BAD("sends the right accept key without its end",
        STATUS UPGRADE CONNECTION "Sec-WebSocket-Accept: {accept-}\r\n" END, TROUPE_EPROTOCOL,
        "accept"),
    BAD("sends the right accept key and more of it",
        STATUS UPGRADE CONNECTION "Sec-WebSocket-Accept: {accept}=\r\n" END, TROUPE_EPROTOCOL,
        "accept"),
    BAD("sends no accept key", STATUS UPGRADE CONNECTION END, TROUPE_EPROTOCOL, "accept"),
    BAD("does not say `Upgrade`", STATUS CONNECTION ACCEPT END, TROUPE_EPROTOCOL, "upgrade"),
    BAD("upgrades to something else", STATUS "Upgrade: h2c\r\n" CONNECTION ACCEPT END,
        TROUPE_EPROTOCOL, "upgrade"),
    BAD("does not say `Connection`", STATUS UPGRADE ACCEPT END, TROUPE_EPROTOCOL, "connection"),
    BAD("says `Connection: close`", STATUS UPGRADE "Connection: close\r\n" ACCEPT END,
        TROUPE_EPROTOCOL, "connection"),
    BAD("chooses an extension that was not offered",
        STATUS UPGRADE CONNECTION ACCEPT "Sec-WebSocket-Extensions: x-mux\r\n" END,
        TROUPE_EPROTOCOL, "extension"),
    BAD("agrees on permessage-deflate, which was not offered",
        STATUS UPGRADE CONNECTION ACCEPT "Sec-WebSocket-Extensions: permessage-deflate\r\n" END,
        TROUPE_EPROTOCOL, "extension"),
    BAD("chooses a subprotocol that was not offered",
        STATUS UPGRADE CONNECTION ACCEPT "Sec-WebSocket-Protocol: chat\r\n" END, TROUPE_EPROTOCOL,
        "protocol"),

    BAD("sends the accept key twice", STATUS UPGRADE CONNECTION ACCEPT ACCEPT END, TROUPE_EPROTOCOL,
        "accept"),
    BAD("continues a header on the next line",
        STATUS UPGRADE CONNECTION ACCEPT "X: a\r\n b\r\n" END, TROUPE_EPROTOCOL, "malformed"),
    BAD("sends a header line without a colon", STATUS UPGRADE CONNECTION ACCEPT "nonsense\r\n" END,
        TROUPE_EPROTOCOL, "malformed"),
    BAD("answers 200", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", TROUPE_EPROTOCOL, "200"),
    BAD("redirects (301)", "HTTP/1.1 301 Moved Permanently\r\nLocation: ws://127.0.0.1:1/\r\n\r\n",
        TROUPE_EPROTOCOL, "301"),
    BAD("redirects (302)", "HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\n\r\n", TROUPE_EPROTOCOL,
        "302"),
    BAD("redirects (307)", "HTTP/1.1 307 Temporary Redirect\r\nLocation: wss://a.test/\r\n\r\n",
        TROUPE_EPROTOCOL, "307"),
    BAD("redirects (308), without saying where", "HTTP/1.1 308 Permanent Redirect\r\n\r\n",
        TROUPE_EPROTOCOL, "308"),
    BAD("answers 400", "HTTP/1.1 400 Bad Request\r\n\r\n", TROUPE_EPROTOCOL, "400"),
    BAD("answers 407", "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", TROUPE_EUNAUTHORIZED,
        "407"),
    BAD("answers 403 in HTTP/1.0, and says why",
        "HTTP/1.0 403 Forbidden\r\nContent-Length: 11\r\n\r\nHost denied", TROUPE_EUNAUTHORIZED,
        "403.*Host denied"),
    BAD("answers 401",
        "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer\r\nContent-Length: 2\r\n\r\nno",
        TROUPE_EUNAUTHORIZED, "401"),
    BAD("answers 403", "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", TROUPE_EUNAUTHORIZED,
        "403"),
    BAD("answers 404", "HTTP/1.1 404 Not Found\r\n\r\n", TROUPE_EPROTOCOL, "404"),
    BAD("answers 426", "HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Version: 8\r\n\r\n",
        TROUPE_EPROTOCOL, "426"),
    BAD("answers 429", "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 3\r\n\r\n", TROUPE_EBUSY,
        "429, again after 3 s"),
    BAD("answers 500", "HTTP/1.1 500 Internal Server Error\r\n\r\n", TROUPE_EPROTOCOL, "500"),
    BAD("answers 503", "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\n\r\n",
        TROUPE_EUNAVAILABLE, "503, again after 1 s"),

    BAD("speaks SSH", "SSH-2.0-OpenSSH_9.2p1\r\n\r\n", TROUPE_EPROTOCOL, "http"),
    BAD("speaks HTTP/1.0", "HTTP/1.0 101 OK\r\n" UPGRADE CONNECTION ACCEPT END, TROUPE_EPROTOCOL,
        "http"),
    BAD("speaks HTTP/2", "HTTP/2 101\r\n" UPGRADE CONNECTION ACCEPT END, TROUPE_EPROTOCOL, "http"),
    BAD("has a status of two digits", "HTTP/1.1 10\r\n\r\n", TROUPE_EPROTOCOL, "http"),
    BAD("has a status of four digits", "HTTP/1.1 1010 x\r\n\r\n", TROUPE_EPROTOCOL, "http"),
    BAD("begins with an empty line", "\r\n\r\n" STATUS, TROUPE_EPROTOCOL, "http"),
    {"has a NUL byte in its last header",
     {.answer = STATUS UPGRADE CONNECTION ACCEPT "X: \0\r\n" END,
      .answer_len = sizeof(STATUS UPGRADE CONNECTION ACCEPT "X: \0\r\n" END) - 1},
     TROUPE_EPROTOCOL,
     "http",
     NO_CLOSE,
     0,
     NULL},
    {"hides the rest behind a NUL byte",
     {.answer = STATUS "X: \0\r\n" UPGRADE CONNECTION ACCEPT END,
      .answer_len = sizeof(STATUS "X: \0\r\n" UPGRADE CONNECTION ACCEPT END) - 1},
     TROUPE_EPROTOCOL,
     ".",
     NO_CLOSE,
     0,
     NULL},
    ENDS("speaks TLS, and closes", "\x15\x03\x01\x00\x02\x02\x46", PEER_CLOSES, TROUPE_EPROTOCOL,
         "handshake|http"),
    ENDS("closes without an answer", "", PEER_CLOSES, TROUPE_EPROTOCOL, "handshake"),
    ENDS("closes inside the header", STATUS UPGRADE "Connec", PEER_CLOSES, TROUPE_EPROTOCOL,
         "handshake"),
    ENDS("half closes inside the header", STATUS UPGRADE CONNECTION "\r", PEER_HALF_CLOSE,
         TROUPE_EPROTOCOL, "handshake"),
    ENDS("resets inside the header", STATUS UPGRADE CONNECTION ACCEPT "\r", PEER_RESETS,
         TROUPE_EPROTOCOL, "handshake"),
    ENDS("resets before it answers", "", PEER_RESETS, TROUPE_EPROTOCOL, "handshake"),
};

const size_t handshake_script_count = sizeof handshake_scripts / sizeof handshake_scripts[0];
