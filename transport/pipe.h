/* SPDX-License-Identifier: MIT */
/** A message stream over two descriptors, each message ended by a NUL byte: what Chromium speaks
 * with --remote-debugging-pipe. */
#ifndef TROUPE_TRANSPORT_PIPE_H
#define TROUPE_TRANSPORT_PIPE_H

#include "message_stream.h"

#define PIPE_MESSAGE_MAX (256u << 20)

/**
 * Make a stream of two open descriptors; both are set non-blocking.
 *
 * Writing to a pipe whose reader is gone raises SIGPIPE: the process must ignore it (sockets are
 * written with MSG_NOSIGNAL). A message with a NUL byte inside is refused by send: TROUPE_EINVAL.
 *
 * @param read_fd, write_fd  taken on TROUPE_OK; may be the same (a socket pair)
 * @param message_max  longest message either way, bytes; 0 = PIPE_MESSAGE_MAX
 * @return TROUPE_OK; TROUPE_EIO; TROUPE_ENOMEM
 */
troupe_error pipe_stream_create(int read_fd, int write_fd, size_t message_max,
                                message_stream **out) TROUPE_MUST_USE;

#endif
