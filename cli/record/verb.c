// SPDX-License-Identifier: Apache-2.0
/* verb - `headroom record`: keep what is in use, look by look, in a file that does not grow. */
#include "cli/history/place.h"
#include "cli/history/ring.h"
#include "cli/ports/host_view.h"
#include "cli/record/take.h"
#include "cli/shared/netns.h"
#include "cli/shared/option_number.h"
#include "cli/shared/sleep.h"
#include "cli/shared/verb_options.h"
#include "cli/shared/verbs.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
	"usage: headroom record [OPTION...]\n"
	"\n"
	"Keeps a look every 15 s: the headroom of the fullest destinations, whose the\n"
	"connections are, blocked ports, states. `headroom report --since 2h` tells then\n"
	"when an incident began and who grew, `headroom top --at 14:05` how it was.\n"
	"\n"
	"      --interval SECONDS  between two looks; default 15\n"
	"      --once              one look, and end: for cron\n"
	"      --history FILE      where; default /var/lib/headroom/history, without root\n"
	"                          ~/.local/state/headroom/history\n"
	"      --size MIB          of a new file; default 16: a week of a quiet host, at\n"
	"                          least four hours. The oldest looks make room\n"
	"      --threshold N       per cent in use that is tight; default 80\n"
	"      --pid PID           of the network namespace of a process\n"
	"      --container C       the same of a container: ID, name or hostname\n"
	"      --netns NAME        of a network namespace: a name of ip-netns(8), or a\n"
	"                          path\n"
	"  -h, --help              this text\n"
	"\n"
	"Exit status: 0 fine; 2 usage or environment error.\n";

struct options {
	double interval_s, size_mib, threshold;
	bool once;
	const char *file;
	struct netns_asked netns;
};

static volatile sig_atomic_t ended;

static void on_signal(int number)
{
	(void)number;
	ended = 1;
}

static int take_option(void *context, int option)
{
	struct options *options = context;

	switch (option) {
	case 'i':
		return option_number("--interval", optarg, 0.1, 86400, &options->interval_s);
	case 'o':
		options->once = true;
		return STATUS_FINE;
	case 'f':
		options->file = optarg;
		return *optarg ? STATUS_FINE : complain("--history", "is empty");
	case 's':
		return option_number("--size", optarg, RING_LEAST / 1048576.0, RING_MOST >> 20,
				     &options->size_mib);
	case 't':
		return option_number("--threshold", optarg, 0, 100, &options->threshold);
	default:
		return netns_take(&options->netns, option, optarg);
	}
}

static int take_options(struct options *options, int argc, char **argv)
{
	static const struct option known[] = { { "interval", required_argument, NULL, 'i' },
					       { "once", no_argument, NULL, 'o' },
					       { "history", required_argument, NULL, 'f' },
					       { "size", required_argument, NULL, 's' },
					       { "threshold", required_argument, NULL, 't' },
					       NETNS_OPTIONS,
					       { "help", no_argument, NULL, 'h' },
					       { NULL, 0, NULL, 0 } };
	static const struct verb_options all = { .verb = "record",
						 .usage = usage,
						 .letters = ":h",
						 .known = known,
						 .take = take_option,
						 .no_words = true };

	return verb_options_take(&all, argc, argv, options);
}

static int open_ring(struct ring *ring, const struct options *options)
{
	char place[PATH_MAX];
	const char *path = options->file;

	if (!path && !place_of_history(place))
		return complain("record", "there is no home to keep it in; --history names a place");
	path = path ? path : place;
	int rc = options->file ? 0 : place_make_folders(path);
	if (!rc)
		rc = ring_open(ring, path, (uint64_t)(options->size_mib * 1048576));
	if (rc == -EWOULDBLOCK)
		return complain(path, "another headroom record writes to it; --history names another place");
	if (rc == -EINVAL)
		return complain(path, "is no history, or one of another version of headroom");
	return rc ? complain(path, "%s", strerror(-rc)) : STATUS_FINE;
}

static int record_one(struct ring *ring, struct port_answers *answers, const struct options *options)
{
	static struct look look;
	static char bytes[LOOK_BYTES_MAX];
	int status = take_look(answers, (unsigned)options->threshold, &look);

	if (status)
		return status;
	int rc = ring_append(ring, bytes, look_write(&look, bytes));
	return rc ? complain("record", "%s", strerror(-rc)) : STATUS_FINE;
}

/* What fails once, such as a full disk or the kernel's memory, may go well the next time. */
static int record_on(struct ring *ring, struct port_answers *answers, const struct options *options)
{
	struct sigaction action = { .sa_handler = on_signal };

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	for (bool first = true; !ended; first = false) {
		int status = record_one(ring, answers, options);
		if (status && first)
			return status;
		struct timespec pause = timespec_of(options->interval_s);
		if (!ended)
			nanosleep(&pause, NULL); /* a signal ends it */
	}
	return STATUS_FINE;
}

int verb_record(int argc, char **argv)
{
	struct options options = { .interval_s = 15, .size_mib = 16, .threshold = 80 };
	struct port_answers *answers = calloc(1, sizeof(*answers));
	struct ring ring = { .fd = -1 };
	int status = answers ? take_options(&options, argc, argv) : complain(NULL, "no memory");

	/* The file is this namespace's, whatever is looked at. */
	if (!status)
		status = open_ring(&ring, &options);
	if (!status)
		status = netns_enter(&options.netns);
	if (!status)
		status = options.once ? record_one(&ring, answers, &options)
				      : record_on(&ring, answers, &options);
	ring_close(&ring);
	free(answers);
	return status;
}
