/* SPDX-License-Identifier: MIT */
/* A film of JPEG pictures. AVI: RIFF 'AVI ' of 'hdrl' (avih, strl of strh and strf), 'movi' and
 * idx1; an empty chunk shows the last picture once more. All numbers are little endian. */
#include "film.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BYTES_MAX   (1u << 31)
#define HEADER_SIZE 224u /* up to 'movi' */
#define KEYFRAME    0x10u
#define HAS_INDEX   0x10u

typedef struct film_entry {
    uint32_t offset; /* from 'movi' */
    uint32_t size;
} film_entry;

struct film {
    FILE *file;
    char *path;
    char *made;
    uint32_t fps;
    uint32_t width, height;
    double start;     /* of the first picture */
    film_entry *list; /* one a frame */
    uint32_t count, room;
    uint32_t pictures; /* of these, those that are not empty */
    uint32_t movi;     /* bytes in it, with its name */
    uint32_t largest;
};

static void put_u32(FILE *file, uint32_t value)
{
    const unsigned char bytes[] = {(unsigned char)value, (unsigned char)(value >> 8),
                                   (unsigned char)(value >> 16), (unsigned char)(value >> 24)};
    fwrite(bytes, 1, sizeof bytes, file);
}

static void put_chunk(FILE *file, const char *name, uint32_t size)
{
    fwrite(name, 1, 4, file);
    put_u32(file, size);
}

static void put_u32s(FILE *file, const uint32_t *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        put_u32(file, values[i]);
    }
}

/* Written twice: empty at first, with its numbers at the end. */
static void put_header(const film *self)
{
    FILE *file = self->file;
    uint32_t index = 8 + 16 * self->count;
    uint32_t area = self->width * self->height * 3;
    const uint32_t avih[] = {1000000 / self->fps,
                             self->largest * self->fps,
                             0,
                             HAS_INDEX,
                             self->count,
                             0,
                             1,
                             self->largest,
                             self->width,
                             self->height,
                             0,
                             0,
                             0,
                             0};
    const uint32_t strh[] = {0, 0, 0, 1, self->fps, 0, self->count, self->largest, 10000, 0};
    put_chunk(file, "RIFF", HEADER_SIZE - 12 + self->movi + index);
    fwrite("AVI ", 1, 4, file);
    put_chunk(file, "LIST", 4 + 8 + 56 + 12 + 8 + 56 + 8 + 40);
    fwrite("hdrl", 1, 4, file);
    put_chunk(file, "avih", 56);
    put_u32s(file, avih, 14);
    put_chunk(file, "LIST", 4 + 8 + 56 + 8 + 40);
    fwrite("strl", 1, 4, file);
    put_chunk(file, "strh", 56);
    fwrite("vidsMJPG", 1, 8, file);
    put_u32s(file, strh, 10);
    put_u32(file, 0);                                  /* left, top */
    put_u32(file, self->width | (self->height << 16)); /* right, bottom */
    put_chunk(file, "strf", 40);
    const uint32_t strf[] = {40, self->width, self->height, 1u | (24u << 16)};
    put_u32s(file, strf, 4);
    fwrite("MJPG", 1, 4, file);
    put_u32(file, area);
    const uint32_t rest[4] = {0};
    put_u32s(file, rest, 4);
    put_chunk(file, "LIST", self->movi);
    fwrite("movi", 1, 4, file);
}

troupe_error film_begin(const char *path, uint32_t fps, film **out, troupe_reason *reason)
{
    film *self = calloc(1, sizeof *self);
    if (self == NULL || (self->path = strdup(path)) == NULL ||
        asprintf(&self->made, "%s.XXXXXX", path) < 0) {
        film_drop(self);
        return TROUPE_ENOMEM;
    }
    self->fps = fps;
    self->movi = 4;
    int fd = mkostemp(self->made, O_CLOEXEC);
    self->file = fd >= 0 ? fdopen(fd, "w+") : NULL;
    if (self->file == NULL) {
        troupe_error error = troupe_fail(reason, TROUPE_EIO, "%s: %s", path, strerror(errno));
        if (fd >= 0) {
            close(fd);
        }
        film_drop(self);
        return error;
    }
    put_header(self);
    *out = self;
    return TROUPE_OK;
}

/* Width and height of a JPEG: its SOF segment. */
static void measure(film *self, const unsigned char *jpeg, size_t len)
{
    for (size_t at = 2; at + 9 < len && jpeg[at] == 0xff;) {
        unsigned char kind = jpeg[at + 1];
        if (kind >= 0xc0 && kind <= 0xcf && kind != 0xc4 && kind != 0xc8 && kind != 0xcc) {
            self->height = (uint32_t)jpeg[at + 5] << 8 | jpeg[at + 6];
            self->width = (uint32_t)jpeg[at + 7] << 8 | jpeg[at + 8];
            return;
        }
        at += 2 + ((size_t)jpeg[at + 2] << 8 | jpeg[at + 3]);
    }
}

static troupe_error put_frame(film *self, const void *data, uint32_t len)
{
    if (self->count == self->room) {
        uint32_t room = self->room > 0 ? 2 * self->room : 256;
        film_entry *grown = realloc(self->list, room * sizeof *grown);
        if (grown == NULL) {
            return TROUPE_ENOMEM;
        }
        self->list = grown;
        self->room = room;
    }
    if ((uint64_t)HEADER_SIZE + self->movi + len + 16u * (self->count + 2u) + 64 > BYTES_MAX) {
        return TROUPE_ELIMIT;
    }
    self->list[self->count++] = (film_entry){self->movi, len};
    put_chunk(self->file, "00dc", len);
    fwrite(data, 1, len, self->file);
    if (len % 2 != 0) {
        fputc(0, self->file);
    }
    self->movi += 8 + len + len % 2;
    self->largest = len > self->largest ? len : self->largest;
    return ferror(self->file) ? TROUPE_EIO : TROUPE_OK;
}

static double film_seconds(const film *self)
{
    return (double)self->count / self->fps;
}

/* The last picture is seen up to that moment. */
static troupe_error fill(film *self, double seconds)
{
    troupe_error error = TROUPE_OK;
    while (error == TROUPE_OK && self->count > 0 && film_seconds(self) < seconds - self->start) {
        error = put_frame(self, "", 0);
    }
    return error;
}

troupe_error film_picture(film *self, const void *jpeg, size_t len, double seconds)
{
    if (self->count == 0) {
        measure(self, jpeg, len);
        self->start = seconds;
    }
    troupe_error error = fill(self, seconds);
    bool early = self->count > 0 && film_seconds(self) > seconds - self->start + 1.0 / self->fps;
    if (error != TROUPE_OK || early) { /* there are more than the film has frames */
        return error;
    }
    self->pictures++;
    return len > UINT32_MAX ? TROUPE_ELIMIT : put_frame(self, jpeg, (uint32_t)len);
}

troupe_error film_end(film *self, double seconds, double *length, troupe_reason *reason)
{
    troupe_error error = fill(self, seconds);
    *length = film_seconds(self);
    put_chunk(self->file, "idx1", 16 * self->count);
    for (uint32_t i = 0; i < self->count; i++) {
        const uint32_t entry[] = {self->list[i].size > 0 ? KEYFRAME : 0, self->list[i].offset,
                                  self->list[i].size};
        fwrite("00dc", 1, 4, self->file);
        put_u32s(self->file, entry, 3);
    }
    rewind(self->file);
    put_header(self);
    bool failed = ferror(self->file) != 0;
    failed |= fclose(self->file) != 0;
    self->file = NULL;
    if (failed || rename(self->made, self->path) != 0) {
        error = troupe_fail(reason, TROUPE_EIO, "%s: %s", self->path, strerror(errno));
    } else {
        free(self->made);
        self->made = NULL;
    }
    film_drop(self);
    return error == TROUPE_ELIMIT ? TROUPE_OK : error; /* what there was room for is there */
}

void film_drop(film *self)
{
    if (self == NULL) {
        return;
    }
    if (self->file != NULL) {
        fclose(self->file);
    }
    if (self->made != NULL) {
        (void)unlink(self->made);
    }
    free(self->list);
    free(self->made);
    free(self->path);
    free(self);
}

uint32_t film_pictures(const film *self)
{
    return self->pictures;
}
