// SPDX-License-Identifier: Apache-2.0
/* complain - what the command says on standard error, and the exit status that goes with it. */
#include "cli/shared/complain.h"

#include "pool/base/printable.h"
#include "pool/rules/settings.h"

#include <stdarg.h>
#include <stdio.h>

int complain(const char *place, const char *format, ...)
{
	char reason[1024], shown[sizeof(reason)], shown_place[SETTING_PATH_MAX + 64];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(reason, sizeof(reason), format, arguments);
	va_end(arguments);
	fprintf(stderr, "headroom: %s%s%s\n",
		place ? printable_text(place, shown_place, sizeof(shown_place)) : "", place ? ": " : "",
		printable_text(reason, shown, sizeof(shown)));
	return STATUS_USAGE;
}
