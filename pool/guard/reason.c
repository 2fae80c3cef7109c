// SPDX-License-Identifier: Apache-2.0
/* reason - why a connection is never parked. */
#include "pool/guard/reason.h"

static const char reason_names[GUARD_REASONS][16] = {
	[GUARD_REASON_NONE] = "none",
	[GUARD_REASON_OFF] = "off",
	[GUARD_REASON_PROTOCOL] = "protocol",
	[GUARD_REASON_SERVER_FIRST] = "server_first",
	[GUARD_REASON_UNASKED] = "unasked",
	[GUARD_REASON_EARLY] = "early",
	[GUARD_REASON_BAD_REQUEST] = "bad_request",
	[GUARD_REASON_BAD_REPLY] = "bad_reply",
	[GUARD_REASON_LENGTH] = "length",
	[GUARD_REASON_VERSION] = "version",
	[GUARD_REASON_CLOSE] = "close",
	[GUARD_REASON_UPGRADE] = "upgrade",
	[GUARD_REASON_AUTH] = "auth",
	[GUARD_REASON_COMMAND] = "command",
	[GUARD_REASON_PUSH] = "push",
	[GUARD_REASON_ERROR] = "error",
	[GUARD_REASON_LIMIT] = "limit",
	[GUARD_REASON_FRAMING] = "framing",
	[GUARD_REASON_AUTHORITY] = "authority",
	[GUARD_REASON_BODY] = "body",
	[GUARD_REASON_UNSEEN] = "unseen",
};

const char *guard_reason_name(enum guard_reason reason)
{
	return reason_names[reason];
}
