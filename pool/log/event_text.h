// SPDX-License-Identifier: Apache-2.0
/* event_text - an event in words, for log lines and for whoever reads a usage segment. */
#ifndef HEADROOM_POOL_LOG_EVENT_TEXT_H
#define HEADROOM_POOL_LOG_EVENT_TEXT_H

#include "pool/segment/layout.h"

enum { EVENT_TEXT_MAX = 160 };

/**
 * event_name() - one word for a kind of event
 * @kind:	enum usage_event_kind
 */
const char *event_name(uint32_t kind);

/**
 * event_text() - what happened, without where
 * @out:	EVENT_TEXT_MAX bytes
 * Return: @out
 */
const char *event_text(const struct usage_event *event, char *out);

#endif
