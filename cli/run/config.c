// SPDX-License-Identifier: Apache-2.0
/* config - `headroom config check FILE`: is a rule file right, and what does it mean? */
#include "cli/run/variables.h"
#include "cli/shared/nearest_word.h"
#include "cli/shared/verbs.h"
#include "pool/base/printable.h"
#include "pool/rules/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] = "usage: headroom config check FILE\n"
			    "\n"
			    "Reads a rule file as the shim would, and prints each rule as it is understood,\n"
			    "in the order in which they are tried. Says which rules never decide, as one\n"
			    "before them takes all that they match, and which HEADROOM_* variables nobody\n"
			    "reads.\n"
			    "\n"
			    "Exit status: 0 it is right; 1 something in it, or in the environment, is\n"
			    "without effect; 2 FILE:LINE: REASON.\n";

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

/* Does an earlier rule match all that this one does? The first that matches decides, alone. */
static bool covers(const struct pattern *earlier, const struct pattern *rule)
{
	if ((earlier->port && earlier->port != rule->port) ||
	    (*earlier->process && strcmp(earlier->process, rule->process) != 0))
		return false;
	if (earlier->any_address)
		return true;
	return !rule->any_address && earlier->bits <= rule->bits &&
	       address_is_v4(&earlier->net) == address_is_v4(&rule->net) &&
	       address_prefix_match(&rule->net, &earlier->net, earlier->bits);
}

/* The rules by port, 0 for any, each port's in their order: a file may have 50,000, each for another port. */
struct by_port {
	unsigned *next;                 /* 1 + the index of the next of its port; 0: none */
	unsigned first[UINT16_MAX + 1]; /* of each port, the same way */
	unsigned last[UINT16_MAX + 1];
};

static struct by_port *sort_by_port(const struct settings *settings)
{
	struct by_port *rules = calloc(1, sizeof(*rules));

	if (rules)
		rules->next = calloc(settings->rule_count + 1, sizeof(*rules->next));
	for (unsigned i = 0; rules && rules->next && i < settings->rule_count; i++) {
		uint16_t port = settings->rules[i].to.port;
		*(rules->last[port] ? &rules->next[rules->last[port] - 1] : &rules->first[port]) = i + 1;
		rules->last[port] = i + 1;
	}
	return rules && rules->next ? rules : NULL;
}

/* Return: 1 + the index of the first one before @rule that takes all of it; 0: none does */
static unsigned find_cover(const struct settings *settings, const struct by_port *rules, unsigned port,
			   unsigned rule)
{
	for (unsigned i = rules->first[port]; i && i <= rule; i = rules->next[i - 1])
		if (covers(&settings->rules[i - 1].to, &settings->rules[rule].to))
			return i;
	return 0;
}

/* Return: is there one? */
static bool print_cover(const struct settings *settings, const struct by_port *rules, unsigned rule)
{
	unsigned port = settings->rules[rule].to.port;
	unsigned any = find_cover(settings, rules, 0, rule);
	unsigned same = port ? find_cover(settings, rules, port, rule) : 0;
	unsigned first = !any || (same && same < any) ? same : any;

	if (!first)
		return false;
	printf("  never decides: rule %u before it, ", first);
	print_pattern(&settings->rules[first - 1].to);
	printf(", takes all of these\n");
	return true;
}

static int complain_usage(int argc, char **argv)
{
	static const char *const words[] = { "check", NULL };
	const char *meant = argc > 1 ? nearest_word(argv[1], words) : NULL;

	if (meant && strcmp(argv[1], meant) != 0)
		return complain("config", "`%s` is unknown; did you mean `%s`?", argv[1], meant);
	return complain("config", "expected: headroom config check FILE");
}

static bool asks_for_help(const char *word)
{
	return !strcmp(word, "--help") || !strcmp(word, "-h");
}

int verb_config(int argc, char **argv)
{
	struct arena arena = { 0 };
	struct settings settings;
	struct complaint complaint;

	bool idle = false;

	if (argc > 1 && (asks_for_help(argv[1]) || (argc > 2 && asks_for_help(argv[2])))) {
		fputs(usage, stdout);
		return STATUS_FINE;
	}
	if (argc != 3 || strcmp(argv[1], "check"))
		return complain_usage(argc, argv);
	settings_default(&settings);
	if (!rule_file_read(&arena, &settings, argv[2], &complaint))
		return complain(complaint.place, "%s", complaint.reason);
	settings_finish(&settings);
	struct by_port *rules = sort_by_port(&settings);
	if (!rules)
		return complain("config", "out of memory");
	for (unsigned i = 0; i < settings.rule_count; i++) {
		print_rule(&settings.rules[i]);
		idle |= print_cover(&settings, rules, i);
	}
	print_rule(&settings.otherwise);
	free(rules->next);
	free(rules);
	arena_release(&arena);
	idle |= variables_complain(false) > 0;
	return idle ? STATUS_BAD_NEWS : STATUS_FINE;
}
