// SPDX-License-Identifier: Apache-2.0
/* detach - `headroom detach`: end what `headroom attach` began. */
#include "attach/needs.h"
#include "attach/pins.h"
#include "attach/target.h"
#include "cli/attach/attached.h"
#include "cli/shared/verb_options.h"
#include "cli/shared/verbs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char usage[] =
	"usage: headroom detach TARGET\n"
	"       headroom detach --all\n"
	"\n"
	"Ends what `headroom attach` began: from now on the kernel chooses the source of\n"
	"every new connection again. Connections that are open stay open. TARGET as for\n"
	"`headroom attach`.\n"
	"\n"
	"      --all               all cgroups\n"
	"  -h, --help              this text\n"
	"\n"
	"Exit status: 0 done; 2 nothing is attached there, or a mistake in the options.\n";

static int take_option(void *all, int option)
{
	(void)option;
	*(bool *)all = true;
	return STATUS_FINE;
}

struct removal {
	int pins, status;
};

static int remove_one(const char *folder, void *context)
{
	struct removal *removal = context;
	struct attach_config config;
	bool named = attach_pin_config(folder, &config);
	int rc = attach_pin_remove(removal->pins, folder);

	if (rc)
		removal->status = complain(named ? config.target : folder, "%s", strerror(-rc));
	else
		printf("detached: %s\n", named ? config.target : folder);
	return 0;
}

static int remove_named(const char *word, struct removal *removal)
{
	char folder[ATTACH_PIN_NAME_MAX];
	int status = attached_find(word, folder);

	if (status)
		return status;
	remove_one(folder, removal);
	return removal->status;
}

int verb_detach(int argc, char **argv)
{
	static const struct option known[] = { { "all", no_argument, NULL, 'a' },
					       { "help", no_argument, NULL, 'h' },
					       { NULL, 0, NULL, 0 } };
	static const struct verb_options options = {
		.verb = "detach", .usage = usage, .letters = ":h", .known = known, .take = take_option
	};
	struct removal removal = { 0 };
	char reason[ATTACH_REASON_MAX];
	bool all = false;
	int status = verb_options_take(&options, argc, argv, &all);

	if (status)
		return status;
	if (argc - optind != !all)
		return complain("detach", "expected one TARGET, or --all");
	if (attach_lacks_rights(reason))
		return complain("detach", "%s", reason);
	removal.pins = attach_pins_open(false, reason);
	if (removal.pins == -ENOENT)
		return all ? STATUS_FINE : complain(argv[optind], "nothing is attached there");
	if (removal.pins < 0)
		return complain("detach", "%s", reason);
	if (all)
		attach_pins_each(removal.pins, remove_one, &removal);
	else
		removal.status = remove_named(argv[optind], &removal);
	attach_pins_close(removal.pins);
	return removal.status;
}
