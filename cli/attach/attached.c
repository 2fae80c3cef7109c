// SPDX-License-Identifier: Apache-2.0
/* attached - the attachment that a word on the command line means. */
#include "cli/attach/attached.h"

#include "attach/pins.h"
#include "attach/target.h"
#include "cli/shared/complain.h"

int attached_find(const char *word, char *folder)
{
	char reason[ATTACH_REASON_MAX];
	struct attach_target target;
	struct attach_config config;

	if (!attach_target_find(word, &target, reason))
		return complain(word, "%s", reason);
	attach_pin_name(target.id, folder);
	if (!attach_pin_config(folder, &config) && !attach_pin_is_foreign(folder))
		return complain(target.path,
				"nothing is attached there; `headroom attach --list` lists what is");
	return STATUS_FINE;
}
