/* SPDX-License-Identifier: MIT */
/** A film of JPEG pictures: an AVI file (RIFF, Motion JPEG) of a fixed rate, which every player
 * knows. What is not finished has a name of its own beside the file. */
#ifndef TROUPE_CLI_FILM_H
#define TROUPE_CLI_FILM_H

#include "troupe/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct film film;

/** Begin. path: copied. TROUPE_OK; TROUPE_EIO with the reason; TROUPE_ENOMEM. */
troupe_error film_begin(const char *path, uint32_t fps, film **out, troupe_reason *reason);

/** A picture that is seen from that moment on (seconds, any zero; not before the last one). Until
 * then the last one is seen again. TROUPE_OK; TROUPE_EIO; TROUPE_ELIMIT: an AVI file may have 2
 * GiB. */
troupe_error film_picture(film *self, const void *jpeg, size_t len, double seconds);

/** Complete it up to that moment and give it its name. Frees it. *length: of the film, in seconds.
 */
troupe_error film_end(film *self, double seconds, double *length, troupe_reason *reason);
/** Leave nothing behind. NULL is fine. */
void film_drop(film *self);

uint32_t film_pictures(const film *self);

#endif
