// SPDX-License-Identifier: Apache-2.0
/* loader - load the programs, attach them to a cgroup, pin them. */
#include "attach/loader.h"

#include "attach.skel.h"
#include "attach/needs.h"
#include "attach/pins.h"
#include "attach/rule_sets.h"
#include "attach/walk.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* libbpf's own words: the last that are no part of the verifier's log. */
static char last_words[ATTACH_REASON_MAX];

__attribute__((format(printf, 2, 0))) static int hear(enum libbpf_print_level level, const char *format,
						      va_list arguments)
{
	if (level == LIBBPF_WARN && !strstr(format, "BEGIN PROG LOAD LOG") && !*last_words)
		vsnprintf(last_words, sizeof(last_words), format, arguments);
	last_words[strcspn(last_words, "\n")] = '\0';
	return 0;
}

static int explain(char *reason, const char *what, int error)
{
	snprintf(reason, ATTACH_REASON_MAX, "%.100s: %s%s%.250s%s", what, strerror(-error),
		 *last_words ? " (" : "", last_words, *last_words ? ")" : "");
	return error;
}

static int fill_reserved(int map, const struct attach_plan *plan)
{
	int rc = 0;

	for (__u32 word = 0; !rc && plan->config.own_low && word < 65536 / 64; word++)
		rc = bpf_map_update_elem(map, &word, &plan->reserved[word], BPF_ANY);
	return rc;
}

static int fill(struct attach_bpf *programs, const struct attach_plan *plan)
{
	int sources = bpf_map__fd(programs->maps.sources);
	const __u32 first = 0;
	int rc = bpf_map_update_elem(bpf_map__fd(programs->maps.config), &first, &plan->config, BPF_ANY);

	for (__u32 i = 0; !rc && i < plan->config.sources; i++)
		rc = bpf_map_update_elem(sources, &i, &plan->sources[i], BPF_ANY);
	if (!rc)
		rc = attach_set_write(&plan->config, &plan->set, bpf_map__fd(programs->maps.rules), sources,
				      bpf_map__fd(programs->maps.data_ruling));
	return rc ? rc : fill_reserved(bpf_map__fd(programs->maps.reserved), plan);
}

static int attach_programs(struct attach_bpf *programs, const struct attach_target *target, char *reason)
{
	int cgroup = open(target->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (cgroup < 0)
		return explain(reason, target->path, -errno);
	programs->links.connect4 = bpf_program__attach_cgroup(programs->progs.connect4, cgroup);
	if (programs->links.connect4)
		programs->links.connect6 = bpf_program__attach_cgroup(programs->progs.connect6, cgroup);
	if (programs->links.connect6)
		programs->links.released = bpf_program__attach_cgroup(programs->progs.released, cgroup);
	int error = -errno;
	close(cgroup);
	if (!programs->links.connect4 || !programs->links.connect6 || !programs->links.released)
		return explain(
			reason,
			error == -EPERM || error == -EBUSY
				? "the kernel refused: another program at this cgroup or above it lets no "
				  "further one in"
				: "the kernel refused the cgroup",
			error);
	programs->links.state_changed = bpf_program__attach_trace(programs->progs.state_changed);
	if (!programs->links.state_changed)
		return explain(reason, "the kernel refused the tracepoint", -errno);
	if (!attach_walks())
		return 0;
	programs->links.sockets_walked = bpf_program__attach_iter(programs->progs.sockets_walked, NULL);
	return programs->links.sockets_walked ? 0
					      : explain(reason, "the kernel refused the iterator", -errno);
}

static int pin_all(struct attach_bpf *programs, const char *folder, char *reason)
{
	const struct {
		const char *name;
		struct bpf_map *map;
		struct bpf_link *link;
	} pins[] = {
		{ "config", programs->maps.config, NULL },
		{ "rules", programs->maps.rules, NULL },
		{ "sources", programs->maps.sources, NULL },
		{ "ruling", programs->maps.data_ruling, NULL },
		{ "pairs", programs->maps.pairs, NULL },
		{ "walk", programs->maps.data_walk, NULL },
		{ "link_sockets", NULL, programs->links.sockets_walked },
		{ "link_state", NULL, programs->links.state_changed },
		{ "link_release", NULL, programs->links.released },
		{ "link_connect4", NULL, programs->links.connect4 },
		{ "link_connect6", NULL, programs->links.connect6 },
	};
	char path[256];
	int rc = 0;

	for (size_t i = 0; !rc && i < sizeof(pins) / sizeof(pins[0]); i++) {
		if (!pins[i].map && !pins[i].link)
			continue;
		snprintf(path, sizeof(path), ATTACH_PINS "/%s/%s", folder, pins[i].name);
		rc = pins[i].map ? bpf_map__pin(pins[i].map, path) : bpf_link__pin(pins[i].link, path);
	}
	return rc ? explain(reason, "cannot pin in " ATTACH_PINS, rc) : 0;
}

/* Removes what is half done when the command is killed; holds the lock as long. */
static pid_t start_cleaner(int pins, const char *half, const char *whole, int *tell)
{
	int ends[2];
	char word;

	if (pipe2(ends, O_CLOEXEC))
		return -1;
	pid_t pid = fork();
	if (pid) {
		close(ends[0]);
		*tell = ends[1];
		return pid;
	}
	close(ends[1]);
	setsid();
	for (int number = SIGHUP; number <= SIGTERM; number++)
		signal(number, SIG_IGN);
	ssize_t got;
	do
		got = read(ends[0], &word, 1);
	while (got < 0 && errno == EINTR);
	if (got != 1) {
		struct attach_config config;
		attach_pin_remove(pins, half);
		if (!attach_pin_config(whole, &config) || !config.live)
			attach_pin_remove(pins, whole);
		attach_pins_close(pins);
	}
	_exit(0);
}

/* From a folder that counts for nothing, to its own name, to life. */
static int pin_and_start(struct attach_bpf *programs, int pins, const char *half, const char *whole,
			 char *reason)
{
	if (mkdirat(pins, half, 0700))
		return explain(reason, ATTACH_PINS, -errno);
	int rc = pin_all(programs, half, reason);
	if (rc)
		return rc;
	if (renameat(pins, half, pins, whole))
		return explain(reason, ATTACH_PINS, -errno);
	rc = attach_pin_set_live(whole, true);
	return rc ? explain(reason, ATTACH_PINS, rc) : 0;
}

static int load_and_attach(struct attach_bpf *programs, const struct attach_plan *plan,
			   const struct attach_target *target, int pins, char *reason)
{
	char half[ATTACH_PIN_NAME_MAX], whole[ATTACH_PIN_NAME_MAX];
	int tell = -1;

	bpf_map__set_max_entries(programs->maps.sources, plan->config.sources + 2 * ATTACH_LISTS_MAX);
	programs->rodata->with_own_ports = plan->config.own_low != 0;
	programs->rodata->with_spill = plan->spills;
	bpf_program__set_autoload(programs->progs.sockets_walked, attach_walks());
	int rc = attach_bpf__load(programs);
	if (rc)
		return explain(reason, "the kernel refused the programs", rc);
	rc = fill(programs, plan);
	if (rc)
		return explain(reason, "the maps cannot be filled", rc);
	attach_pin_name(target->id, whole);
	snprintf(half, sizeof(half), "new-%llu-%d", (unsigned long long)target->id, getpid());
	pid_t cleaner = start_cleaner(pins, half, whole, &tell);
	if (cleaner < 0)
		return explain(reason, "fork", -errno);
	rc = attach_programs(programs, target, reason);
	if (!rc)
		rc = pin_and_start(programs, pins, half, whole, reason);
	if (!rc && write(tell, "x", 1) != 1)
		rc = explain(reason, "the helper of this command is gone", -EPIPE);
	close(tell);
	while (waitpid(cleaner, NULL, 0) < 0 && errno == EINTR)
		;
	/* What is there already. Failed or not begun, the next command that reads the counts does it. */
	if (!rc)
		attach_walk_sockets(whole);
	return rc;
}

int attach_load(const struct attach_plan *plan, const struct attach_target *target, int pins, char *reason)
{
	struct attach_config known;
	char whole[ATTACH_PIN_NAME_MAX];

	attach_pin_name(target->id, whole);
	if (attach_pin_config(whole, &known) || attach_pin_is_foreign(whole)) {
		snprintf(reason, ATTACH_REASON_MAX, "is attached already: `headroom detach` it first");
		return -EEXIST;
	}
	libbpf_set_print(hear);
	libbpf_set_strict_mode(LIBBPF_STRICT_ALL);
	struct attach_bpf *programs = attach_bpf__open();
	if (!programs)
		return explain(reason, "libbpf cannot read the programs", -errno);
	int rc = load_and_attach(programs, plan, target, pins, reason);
	attach_bpf__destroy(programs);
	return rc;
}

const char *attach_library(void)
{
	return libbpf_version_string();
}
