/* SPDX-License-Identifier: MIT */
/**
 * A scripted WebSocket server on a loopback port of its own, for tests of the client in the same
 * process. It takes one connection at a time and plays a script with it in a thread: read the
 * request, send an answer and bytes behind it, then go on in one of the ways of peer_end.
 *
 * What it sends may be cut: behind a cut nothing more is sent before the client has read all there
 * was, so that the client's reads end exactly there. Nothing waits for time.
 */
#ifndef TEST_PEER_H
#define TEST_PEER_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PEER_WHOLE ((size_t)-1) /* no cut */
#define PEER_EACH  ((size_t)-2) /* a cut behind each byte */

/* The answer that any client takes; {accept} stands for the Sec-WebSocket-Accept of its key,
 * {accept-} for all of it but the last character. */
#define PEER_ANSWER                                                                     \
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" \
    "Sec-WebSocket-Accept: {accept}\r\n\r\n"

/** What the peer does behind the last byte, when the client has read it. */
typedef enum peer_end {
    PEER_LISTENS,    /* nothing: it reads, until the client ends the connection */
    PEER_HALF_CLOSE, /* it sends no more (FIN), and reads on */
    PEER_CLOSES,     /* it closes, having read nothing since the request */
    PEER_RESETS,     /* RST */
    PEER_REPEATS,    /* the bytes behind the answer again and again, reading nothing */
    PEER_DRIPS,      /* an `x` each millisecond, until the client ends it */
    PEER_HANDS_OVER, /* nothing: p->fd is the caller's, from peer_join on */
} peer_end;

typedef struct peer_script {
    const char *answer; /* NULL: PEER_ANSWER; "" none */
    size_t answer_len;  /* 0: strlen */
    const char *bytes;  /* behind the answer */
    size_t len;
    uint64_t zeros; /* then so many bytes of 0x20, in large writes, and `tail` */
    const char *tail;
    size_t tail_len;
    peer_end end;
    size_t cut;      /* offset in answer and bytes; PEER_WHOLE; PEER_EACH */
    size_t each_max; /* PEER_EACH: so many bytes, the rest at once; 0 = all */
    bool no_reading; /* PEER_LISTENS reads nothing at all, until peer_join */
} peer_script;

/** What came from the client, in one connection. */
typedef struct peer_seen {
    char request[4096];
    size_t texts, binaries, pings, pongs;
    char last_pong[126]; /* NUL-terminated */
    int close_code;      /* -1: none came; 0: empty */
    bool malformed;      /* not masked, reserved bits, or something behind a close frame */
} peer_seen;

typedef struct peer {
    int listener;
    int port;
    pthread_t thread;
    const peer_script *script;
    int fd;
    int client;            /* the client's descriptor */
    size_t sent;           /* of answer and bytes */
    uint64_t written;      /* of all */
    pthread_mutex_t mutex; /* guards leave */
    pthread_cond_t changed;
    bool leave;
    char *in; /* what came behind the request */
    size_t in_len, in_capacity;
    peer_seen seen;
} peer;

void peer_open(peer *p);
void peer_close(peer *p);

/** Take the next connection and play the script with it; borrowed until peer_join. */
void peer_play(peer *p, const peer_script *script);
/** Wait until it is through: after the client has ended the connection. Its fruit is p->seen. */
void peer_join(peer *p);

/** Wait until the client has read the `written` bytes that were sent to it through fd since it
 * connected, or has closed its end, which is in this process. */
void peer_await_taken(int fd, uint64_t written);
/** The other end of fd, or -1; looked for at `guess` first. */
int peer_find_client(int fd, int guess);

/** The length of an answer with the key filled in. */
size_t peer_answer_len(const peer_script *script);

#endif
