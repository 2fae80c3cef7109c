// SPDX-License-Identifier: Apache-2.0
/* config - `headroom config check FILE`: is a rule file right, and what does it mean? */
#include "cli/shared/verbs.h"
#include "pool/base/printable.h"
#include "pool/rules/file.h"

#include <stdio.h>
#include <string.h>

static const char usage[] = "usage: headroom config check FILE\n"
			    "\n"
			    "Reads a rule file as the shim would, and prints each rule as it is understood,\n"
			    "in the order in which they are tried. Exit status 0 if it is right, 2 with\n"
			    "FILE:LINE: REASON if it is not.\n";

static void print_pattern(const struct pattern *p)
{
	char address[ADDRESS_TEXT_MAX], name[PROCESS_NAME_MAX * PRINTABLE_MAX];
	bool v4 = address_is_v4(&p->net);
	bool brackets = !p->any_address && !v4;

	if (p->any_address)
		printf("*");
	else
		printf("%s%s%s", brackets ? "[" : "", address_format(&p->net, address), brackets ? "]" : "");
	if (!p->any_address && p->bits != 128)
		printf("/%u", v4 ? p->bits - 96 : p->bits);
	if (p->port)
		printf(":%u", p->port);
	if (*p->process)
		printf(" of %s", printable_text(p->process, name, sizeof(name)));
}

static void print_reuse(const struct reuse_limits *limits)
{
	printf(", reuse %s (max_idle %u, idle_timeout ", guard_name(limits->guard), limits->max_idle);
	if (limits->given & REUSE_IDLE_TIMEOUT)
		printf("%llu ms", (unsigned long long)(limits->idle_timeout_ns / 1000000));
	else
		printf("by the rate");
	printf(", max_uses %u, max_age %llu s)", limits->max_uses,
	       (unsigned long long)(limits->max_age_ns / 1000000000));
}

static void print_rule(const struct rule *rule)
{
	print_pattern(&rule->to);
	if (rule->leave_alone) {
		printf(": left alone\n");
		return;
	}
	if (rule->spread == SPREAD_OFF)
		printf(": no spreading");
	else if (rule->sources.automatic)
		printf(": spread %s over auto", spread_name(rule->spread));
	else
		printf(": spread %s over %u source%s", spread_name(rule->spread), rule->sources.count,
		       rule->sources.count == 1 ? "" : "s");
	if (rule->spread != SPREAD_OFF && rule->strict)
		printf(", strict");
	if (rule->reuse.guard != GUARD_OFF)
		print_reuse(&rule->reuse);
	printf("%s\n", rule->override_bound_source ? ", also what the program bound to a source" : "");
}

int verb_config(int argc, char **argv)
{
	struct arena arena = { 0 };
	struct settings settings;
	struct complaint complaint;

	if (argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) {
		fputs(usage, stdout);
		return STATUS_FINE;
	}
	if (argc != 3 || strcmp(argv[1], "check"))
		return complain("config", "expected: headroom config check FILE");
	settings_default(&settings);
	if (!rule_file_read(&arena, &settings, argv[2], &complaint))
		return complain(complaint.place, "%s", complaint.reason);
	settings_finish(&settings);
	for (unsigned i = 0; i < settings.rule_count; i++)
		print_rule(&settings.rules[i]);
	print_rule(&settings.otherwise);
	arena_release(&arena);
	return STATUS_FINE;
}
