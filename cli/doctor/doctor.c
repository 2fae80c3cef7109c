// SPDX-License-Identifier: Apache-2.0
/* doctor - `headroom doctor`: what reaches a program, and what stands in the way. */
#include "cli/check/target.h"
#include "cli/doctor/findings.h"
#include "cli/doctor/host.h"
#include "cli/doctor/process.h"
#include "cli/doctor/server.h"
#include "cli/service/obstacles.h"
#include "cli/service/unit.h"
#include "cli/shared/identity.h"
#include "cli/shared/netns.h"
#include "cli/shared/program.h"
#include "cli/shared/verb_options.h"
#include "cli/shared/verbs.h"
#include "pool/routes/route.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char usage[] =
	"usage: headroom doctor [OPTION...] PID | UNIT | PROGRAM\n"
	"       headroom doctor [OPTION...] --host\n"
	"\n"
	"Says which way reaches a program (the shim, headroom attach, neither), whether the\n"
	"shim is loaded, what stands in the way, and whether the range of ports is sane:\n"
	"one line each, with what to do. PROGRAM is a path or a name of PATH; UNIT is a\n"
	"service of systemd, with .service at its end.\n"
	"\n"
	"      --host              this machine only\n"
	"      --connect HOST:PORT connect to a server, from the kernel's source and from\n"
	"                          each of the list: does it let each in?\n"
	"      --sources LIST      as for `headroom run`; default with --connect: auto\n"
	"      --json              for programs; see headroom-doctor(1)\n"
	"  -h, --help              this text\n"
	"\n"
	"Exit status: 0 nothing stands in the way; 1 something does; 2 a mistake in the\n"
	"options, or there is no such program; 3 some of it cannot be told from here.\n";

struct asked {
	bool json, host;
	const char *connect;
	struct arena arena;
	struct source_list sources;
};

static int take_option(void *context, int option)
{
	struct asked *asked = context;
	char reason[REASON_MAX];

	switch (option) {
	case 'j':
		asked->json = true;
		return STATUS_FINE;
	case 'o':
		asked->host = true;
		return STATUS_FINE;
	case 'c':
		asked->connect = optarg;
		return STATUS_FINE;
	default:
		if (!source_list_extend(&asked->arena, &asked->sources, optarg, reason) ||
		    !source_list_complete(&asked->sources, reason))
			return complain("--sources", "%s", reason);
		return STATUS_FINE;
	}
}

/* All that is asked of one place: sources that are not named are what `auto` stands for there. */
static void look_at_server(struct asked *asked, struct findings *findings, const struct endpoint *to)
{
	struct source_list list = { 0 };

	if (!asked->sources.automatic && (asked->sources.count || asked->sources.excluded_count)) {
		doctor_server(findings, to, &asked->sources);
		return;
	}
	int rc = route_auto_sources(&asked->arena, to, &list);
	source_list_exclude(&list, &asked->sources);
	if (rc)
		finding_add(findings, FINDING_UNKNOWN, "server", "name the sources",
			    "what `auto` stands for does not show: %s", strerror(-rc));
	doctor_server(findings, to, &list);
}

static void found_obstacle(bool stops, const char *text, void *context)
{
	finding_add(context, stops ? FINDING_BAD : FINDING_NOTE, "unit", NULL, "%s", text);
}

/* Return: the pid of a service that runs, or 0 */
static int look_at_unit(const struct asked *asked, struct findings *findings, const struct unit *unit)
{
	struct wanted wanted = { .automatic = asked->sources.automatic,
				 .sources = asked->sources.automatic || asked->sources.count };

	if (!obstacles_find(unit, &wanted, found_obstacle, findings))
		finding_add(findings, FINDING_OK, "unit", NULL, "nothing in the unit stands in the way");
	return atoi(unit_value(unit, "MainPID"));
}

/* What was named: a number, a file, a unit. Return: STATUS_FINE, or STATUS_USAGE after a complaint */
static int look_at_named(struct asked *asked, struct findings *findings, const char *word, int *pid,
			 char *name)
{
	char path[PROGRAM_PATH_MAX], reason[512], *end;
	struct unit unit = { 0 };
	struct stat st;
	long number = strtol(word, &end, 10);

	*pid = 0;
	if (*word && !*end && number > 0) {
		snprintf(path, sizeof(path), "/proc/%ld", number);
		if (stat(path, &st))
			return complain(word, "there is no such process");
		*pid = (int)number;
		doctor_process(findings, *pid, NULL);
		return STATUS_FINE;
	}
	size_t length = strlen(word);
	bool service = length > 8 && !strcmp(word + length - 8, ".service");
	if (!service && program_find(word, path, sizeof(path))) {
		doctor_program(findings, path);
		return STATUS_FINE;
	}
	const char *why = service             ? unit_name(word, name)
			  : strchr(word, '/') ? strerror(errno)
					      : "is neither a "
						"process, a program of PATH nor a "
						"NAME.service";
	if (why)
		return complain(word, "%s", why);
	if (!unit_read(name, &unit, reason, sizeof(reason))) {
		unit_free(&unit);
		return complain(word, "%s", reason);
	}
	bool there = !unit_is(&unit, "LoadState", "not-found");
	if (there)
		*pid = look_at_unit(asked, findings, &unit);
	unit_free(&unit);
	if (!there)
		return complain(word, "there is no such unit");
	if (*pid)
		doctor_process(findings, *pid, name);
	else
		finding_add(findings, FINDING_NOTE, "process", NULL, "it does not run");
	return STATUS_FINE;
}

/* Ports and addresses are those of its network namespace. */
static int go_there(int pid, struct findings *findings)
{
	char ours[] = "/proc/self/ns/net", theirs[64], number[16];
	struct stat a, b;

	snprintf(theirs, sizeof(theirs), "/proc/%d/ns/net", pid);
	if (!pid || (!stat(ours, &a) && !stat(theirs, &b) && a.st_ino == b.st_ino))
		return STATUS_FINE;
	if (geteuid()) {
		finding_add(findings, FINDING_UNKNOWN, "network", "ask as root",
			    "its network namespace cannot be looked into: what follows is of this one");
		return STATUS_FINE;
	}
	snprintf(number, sizeof(number), "%d", pid);
	return netns_enter(&(struct netns_asked){ .option = "--pid", .what = number });
}

static int look(struct asked *asked, const char *word, struct check *names, struct findings *findings,
		char *subject, size_t size)
{
	char unit[UNIT_NAME_MAX] = "", mark[IDENTITY_MARK_MAX] = "";
	struct identity identity = { 0 };
	int pid = 0, status = STATUS_FINE;

	/* Names are looked up here, where the resolver's servers are. */
	if (asked->connect && (status = check_target_add(names, asked->connect)))
		return status;
	if (word && (status = look_at_named(asked, findings, word, &pid, unit)))
		return status;
	if (pid)
		identity_of(pid, &identity);
	snprintf(subject, size, "%s%s%s%s", word ? word : "this machine", pid ? ": " : "",
		 pid ? identity.command : "", pid ? identity_mark(pid, mark) : "");
	doctor_disabled(findings);
	if (!word)
		doctor_machine(findings);
	if ((status = go_there(pid, findings)))
		return status;
	doctor_ports(findings);
	for (unsigned i = 0; i < names->target_count; i++)
		look_at_server(asked, findings, &names->targets[i].endpoint);
	return STATUS_FINE;
}

static int answer(struct asked *asked, const char *word)
{
	struct check *names = calloc(1, sizeof(*names));
	struct findings findings = { 0 };
	char subject[1024];

	if (!names)
		return complain(NULL, "no memory");
	int status = look(asked, word, names, &findings, subject, sizeof(subject));
	if (!status) {
		(asked->json ? findings_json : findings_put)(&findings, subject, stdout);
		status = findings_status(&findings);
	}
	findings_end(&findings);
	free(names);
	return status;
}

int verb_doctor(int argc, char **argv)
{
	static const struct option known[] = {
		{ "host", no_argument, NULL, 'o' },          { "connect", required_argument, NULL, 'c' },
		{ "sources", required_argument, NULL, 's' }, { "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },          { NULL, 0, NULL, 0 }
	};
	static const struct verb_options options = {
		.verb = "doctor", .usage = usage, .letters = ":h", .known = known, .take = take_option
	};
	struct asked asked = { 0 };
	int status = verb_options_take(&options, argc, argv, &asked);

	if (!status && (asked.host ? argc != optind : argc != optind + 1))
		status = complain("doctor", asked.host ? "--host takes no program"
						       : "expected one PID, UNIT or PROGRAM, or --host");
	else if (!status)
		status = answer(&asked, asked.host ? NULL : argv[optind]);
	arena_release(&asked.arena);
	return status;
}
