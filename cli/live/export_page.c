// SPDX-License-Identifier: Apache-2.0
/* export_page - a look, as the text that Prometheus reads. */
#include "cli/live/export_page.h"

#include "cli/attach/export.h"
#include "cli/live/export_spaces.h"
#include "cli/live/export_text.h"
#include "cli/shared/complain.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int export_page(struct export *export, char **text, size_t *size)
{
	int status = export_look(export);

	if (status)
		return status;
	FILE *out = open_memstream(text, size);
	if (!out)
		return complain("export", "%s", strerror(errno));
	export_attached(out);
	export_text(export, out);
	bool failed = ferror(out);
	if (!fclose(out) && !failed)
		return STATUS_FINE;
	free(*text);
	return complain("export", "no memory");
}
