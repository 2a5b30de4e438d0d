/* SPDX-License-Identifier: MIT */
/** The numbers of RPC `metrics` as Prometheus reads them (text format 0.0.4). */
#ifndef TROUPE_BRIDGE_METRICS_TEXT_H
#define TROUPE_BRIDGE_METRICS_TEXT_H

#include "troupe/pack.h"

#include <jansson.h>

#define METRICS_TEXT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/** Append all families, each with HELP and TYPE. all: RPC `metrics`' result; what is missing in it
 * is left out. */
void metrics_text(const json_t *all, troupe_buffer *out);

#endif
