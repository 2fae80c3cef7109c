// SPDX-License-Identifier: Apache-2.0
/* run - `headroom run`: set the environment up for the shim and become the program.
 *
 * Options, variables and rule file are checked with the code that the shim uses (pool/rules/), the program
 * is looked at (program.c: ELF type, loader, rights, #!), the environment set, and the program executed.
 * After that it is gone; the shim reads the environment. */
#include "cli/run/variables.h"
#include "cli/shared/program.h"
#include "cli/shared/shim_path.h"
#include "cli/shared/verb_options.h"
#include "cli/shared/verbs.h"
#include "pool/base/printable.h"
#include "pool/base/resting.h"
#include "pool/log/log.h"
#include "pool/rules/file.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char usage[] =
	"usage: headroom run [OPTION...] [--] COMMAND [ARGUMENT...]\n"
	"\n"
	"Runs COMMAND with the shim preloaded. Without options the shim changes no source\n"
	"address: it counts, keeps connect() fast past half of the port range, defers\n"
	"bind(ip, 0), and warns.\n"
	"\n"
	"  -c, --config FILE       rules per destination; see headroom(1)\n"
	"      --sources LIST      local addresses to spread over: 10.0.0.5, 10.0.1.0/28,\n"
	"                          10.0.0.5-10.0.0.12, fd00:1::/120, comma-separated;\n"
	"                          or auto; !ADDRESS takes out of the list\n"
	"      --spread even|spill|sticky|off\n"
	"                          even (default for named sources): the source with\n"
	"                          the most headroom; spill (default for auto): the\n"
	"                          kernel's own source until half of its ports are in\n"
	"                          use; sticky: one source for each remote address\n"
	"      --strict            never the kernel's own source when all of these are\n"
	"                          full: EADDRNOTAVAIL\n"
	"      --reuse off|http|http+bodies|redis|memcached|raw\n"
	"                          keep what the program closes for its next connect()\n"
	"                          to the same place, when this guard knows that the\n"
	"                          exchange is complete; default off\n"
	"      --summary           print the ports used per destination and source when\n"
	"                          the program ends\n"
	"      --log DEST          stderr (default), syslog, file:PATH or off\n"
	"      --log-level LEVEL   error, warn (default) or info\n"
	"      --log-format FORMAT logfmt (default) or json\n"
	"  -h, --help              this text\n"
	"\n"
	"The exit status is the program's; 2 for a mistake in the options, 126 and 127 as\n"
	"of env(1).\n";

enum { VALUES = 6 };

struct run {
	struct arena arena;
	struct settings settings;
	const char *config, *value[VALUES]; /* as given on the command line */
};

/* Names of options and of the settings and variables they stand for. */
static const struct {
	const char *option, *setting, *variable;
} values[VALUES] = {
	{ "--sources", "sources", "HEADROOM_SOURCES" },
	{ "--spread", "spread", "HEADROOM_SPREAD" },
	{ "--log", "log", "HEADROOM_LOG" },
	{ "--log-level", "log_level", "HEADROOM_LOG_LEVEL" },
	{ "--log-format", "log_format", "HEADROOM_LOG_FORMAT" },
	{ "--reuse", "reuse", "HEADROOM_REUSE" },
};

static int put(const char *name, const char *value)
{
	return setenv(name, value, 1) ? complain(name, "%s", strerror(errno)) : STATUS_FINE;
}

/* A relative path would be looked for where the program has gone to by then. */
static bool absolute(const char *path, char *out, size_t size)
{
	char here[PATH_MAX];

	if (*path == '/')
		return (size_t)snprintf(out, size, "%s", path) < size;
	return getcwd(here, sizeof(here)) && (size_t)snprintf(out, size, "%s/%s", here, path) < size;
}

static const char *log_file_refusal(long error)
{
	switch (error) {
	case -ELOOP:
		return "is a symbolic link: another user could lead the log elsewhere by it";
	case -EINVAL:
	case -ENXIO: /* a FIFO that nobody reads (open(2)) */
	case -EISDIR:
		return "is not a regular file";
	case -EMLINK:
		return "has a second name (hard link): the log might end up in a file of another use";
	default:
		return strerror((int)-error);
	}
}

static int take_log_file(const char *path)
{
	char whole[SETTING_PATH_MAX], value[SETTING_PATH_MAX + 8];

	if (!absolute(path, whole, sizeof(whole)))
		return complain("--log", "`%s` is too long a path", path);
	long fd = log_open_file(whole);
	if (fd < 0)
		return complain("--log", "%s: %s", whole, log_file_refusal(fd));
	close((int)fd);
	snprintf(value, sizeof(value), "file:%s", whole);
	return put("HEADROOM_LOG", value);
}

/* An option replaces what the rule file says, and is replaced by nothing. */
static int apply_value(struct run *run, unsigned index, const char *value)
{
	char reason[REASON_MAX];

	if (index == 0)
		run->settings.otherwise.sources = (struct source_list){ 0 };
	if (!strncmp(value, "file:", 5) && value[5] && !strcmp(values[index].setting, "log"))
		return take_log_file(value + 5);
	if (!settings_set(&run->arena, &run->settings, values[index].setting, value, reason) ||
	    !source_list_complete(&run->settings.otherwise.sources, reason))
		return complain(values[index].option, "%s", reason);
	return put(values[index].variable, value);
}

static int apply_config(struct run *run, const char *path)
{
	struct complaint complaint;
	char whole[SETTING_PATH_MAX];

	if (!rule_file_read(&run->arena, &run->settings, path, &complaint))
		return complain(complaint.place, "%s", complaint.reason);
	if (!absolute(path, whole, sizeof(whole)))
		return complain(path, "is too long a path");
	return put("HEADROOM_CONFIG", whole);
}

static int take_option(void *context, int option)
{
	struct run *run = context;

	switch (option) {
	case 'c':
		run->config = optarg;
		return STATUS_FINE;
	case 's':
		return put("HEADROOM_SUMMARY", "1");
	case 't':
		return put("HEADROOM_STRICT", "1");
	default:
		run->value[option] = optarg;
		return STATUS_FINE;
	}
}

static int take_options(struct run *run, int argc, char **argv)
{
	static const struct option known[] = { { "config", required_argument, NULL, 'c' },
					       { "sources", required_argument, NULL, 0 },
					       { "spread", required_argument, NULL, 1 },
					       { "log", required_argument, NULL, 2 },
					       { "log-level", required_argument, NULL, 3 },
					       { "log-format", required_argument, NULL, 4 },
					       { "reuse", required_argument, NULL, 5 },
					       { "summary", no_argument, NULL, 's' },
					       { "strict", no_argument, NULL, 't' },
					       { "help", no_argument, NULL, 'h' },
					       { NULL, 0, NULL, 0 } };
	static const struct verb_options all = {
		.verb = "run", .usage = usage, .letters = "+:c:h", .known = known, .take = take_option
	};

	return verb_options_take(&all, argc, argv, run);
}

/* In the shim's order: the file, then what came by the environment, which is checked too as the shim would
 * only log it, then the options. */
static int apply_settings(struct run *run)
{
	struct complaint complaint;
	const char *config = run->config ? run->config : getenv("HEADROOM_CONFIG");
	const char *spread = run->value[1] ? run->value[1] : getenv("HEADROOM_SPREAD");
	int status;

	if (config && *config && (status = apply_config(run, config)))
		return status;
	if (!settings_read_environment(&run->arena, &run->settings, &complaint))
		return complain(complaint.place, "%s", complaint.reason);
	for (unsigned i = 0; i < VALUES; i++)
		if (run->value[i] && (status = apply_value(run, i, run->value[i])))
			return status;
	const struct rule *rule = &run->settings.otherwise;
	bool any = rule->sources.count || rule->sources.automatic || run->settings.rule_count;
	if (spread && *spread && rule->spread != SPREAD_OFF && !any)
		return complain("--spread",
				"there is nothing to spread over: name --sources, or rules with -c");
	return STATUS_FINE;
}

static int preload(const struct program *program)
{
	char shim[PATH_MAX], value[PATH_MAX * 2];
	const char *others = getenv("LD_PRELOAD");
	int status = shim_path_find(program->machine, shim);

	if (status)
		return status;
	int used = snprintf(value, sizeof(value), "%s%s%s", shim, others && *others ? ":" : "",
			    others ? others : "");
	if (used < 0 || (size_t)used >= sizeof(value))
		return complain("LD_PRELOAD", "is too long");
	return put("LD_PRELOAD", value);
}

/* bind() without a port takes none. */
static bool is_local(const struct address *source)
{
	int family = address_is_v4(source) ? AF_INET : AF_INET6, on = 1;
	struct endpoint endpoint = { .ip = *source };
	struct sockaddr_storage address;
	socklen_t length = endpoint_to_sockaddr(&endpoint, family, &address);
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return family == AF_INET;
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
	bool local = !bind(fd, (const struct sockaddr *)&address, length) || errno != EADDRNOTAVAIL;
	close(fd);
	return local;
}

/* The shim passes over what is not local, and tries it again later: that is said now, where somebody looks.
 */
static void complain_of_list(const struct source_list *list)
{
	char text[ADDRESS_TEXT_MAX];
	unsigned missing = 0, first = 0;

	for (unsigned i = 0; i < list->count; i++) {
		if (!is_local(&list->items[i]))
			first = missing++ ? first : i;
	}
	if (missing == 1)
		complain("sources", "%s is not an address of this host: it is passed over",
			 address_format(&list->items[first], text));
	else if (missing)
		complain("sources",
			 "%u of %u are not addresses of this host, the first is %s: they are passed over",
			 missing, list->count, address_format(&list->items[first], text));
}

static void complain_of_sources(const struct settings *settings)
{
	complain_of_list(&settings->otherwise.sources);
	for (unsigned i = 0; i < settings->rule_count; i++)
		if (settings->rules[i].sources.items != settings->otherwise.sources.items)
			complain_of_list(&settings->rules[i].sources);
}

/* Programs that start the command otherwise than by exec with this environment. */
static void complain_of_helper(const char *path)
{
	static const struct {
		const char *name, *why;
	} helpers[] = {
		{ "sudo", "takes LD_PRELOAD out of the environment" },
		{ "doas", "takes LD_PRELOAD out of the environment" },
		{ "pkexec", "takes LD_PRELOAD out of the environment" },
		{ "su", "is set-user-ID, so that LD_PRELOAD ends there" },
		{ "systemd-run", "has the command started by systemd" },
		{ "docker", "has the command started by its daemon, in a container" },
		{ "podman", "starts the command in a container" },
		{ "nerdctl", "starts the command in a container" },
		{ "flatpak", "starts the command in a sandbox of its own files" },
		{ "snap", "starts the command in a sandbox of its own files" },
		{ "ssh", "starts the command on another host" },
		{ "at", "has the command started by a daemon" },
		{ "batch", "has the command started by a daemon" },
	};
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;

	for (size_t i = 0; i < sizeof(helpers) / sizeof(helpers[0]); i++)
		if (!strcmp(name, helpers[i].name))
			complain(name, "%s: the shim does not get there; put `headroom run --` behind it",
				 helpers[i].why);
}

int verb_run(int argc, char **argv)
{
	struct run run = { 0 };
	struct program program;
	char path[PROGRAM_PATH_MAX];
	int status;

	settings_default(&run.settings);
	if ((status = take_options(&run, argc, argv)))
		return status;
	if (optind == argc)
		return complain("run", "no command given; `headroom run --help` has the usage");
	if ((status = apply_settings(&run)))
		return status;
	char **command = argv + optind;
	if (!program_find(*command, path, sizeof(path))) {
		complain(*command, "%s", strerror(errno));
		return errno == ENOENT ? 127 : 126;
	}
	complain_of_helper(path);
	if (!program_check(path, &program) && program.no_interpreter)
		return complain(path, "its interpreter %s is missing", program.path), 127;
	if (*program.why && !program.doubtful)
		return complain(program.path, "%s", program.why);
	complain_of_sources(&run.settings);
	variables_complain(true);
	if (resting_file_counts(false))
		complain(RESTING_FILE, "disables the shim: it does nothing until `headroom enable`");
	if (program.doubtful)
		complain(program.path, "%s", program.why);
	if ((status = preload(&program)))
		return status;
	execvp(*command, command);
	complain(*command, "%s", strerror(errno));
	return errno == ENOENT ? 127 : 126;
}
