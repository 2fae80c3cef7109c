// SPDX-License-Identifier: Apache-2.0
/* option_number - the value of an option that is a number. */
#include "cli/shared/option_number.h"

#include "cli/shared/complain.h"

#include <stdlib.h>

int option_number(const char *option, const char *text, double least, double most, double *out)
{
	char *end;
	double number = strtod(text, &end);

	if (end == text || *end || !(number >= least && number <= most))
		return complain(option, "`%s` is not a number from %g to %.0f", text, least, most);
	*out = number;
	return STATUS_FINE;
}
