// SPDX-License-Identifier: Apache-2.0
/* export - `headroom export`: metrics for Prometheus, by HTTP, as a file for node_exporter, or printed. */
#include "cli/live/ending_signals.h"
#include "cli/live/export_http.h"
#include "cli/live/export_page.h"
#include "cli/shared/netns.h"
#include "cli/shared/option_number.h"
#include "cli/shared/verb_options.h"
#include "cli/shared/verbs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char usage[] =
	"usage: headroom export [OPTION...]\n"
	"\n"
	"Metrics for Prometheus, of programs under the shim and, with --host, of all\n"
	"programs. Without --listen and --textfile they are printed once.\n"
	"\n"
	"      --listen ADDR:PORT  answer HTTP requests for /metrics; PORT alone: on\n"
	"                          127.0.0.1 only\n"
	"      --textfile FILE     write a file for node_exporter's textfile collector,\n"
	"                          which reads names that end in .prom\n"
	"      --interval SECONDS  write it again and again; default: once\n"
	"      --host              ask the kernel too: ports of all programs, exact\n"
	"                          capacity\n"
	"      --top N             destinations and sources with labels of their own, per\n"
	"                          program; default 20, the rest is destination=\"other\"\n"
	"      --per-pid           a label for each process, not for each program name\n"
	"      --pid PID           look into the network namespace of a process; --listen\n"
	"                          is there too\n"
	"      --container C       the same of a container: ID, name or hostname\n"
	"      --netns NAME        look into a network namespace: a name of ip-netns(8),\n"
	"                          or a path\n"
	"      --all-netns         look into each network namespace of this host; metrics\n"
	"                          of the others have a label netns\n"
	"      --state-dir DIR     where the usage segments are; default\n"
	"                          HEADROOM_STATE_DIR, else where the shim puts them; as\n"
	"                          root those of all users\n"
	"  -h, --help              this text\n"
	"\n"
	"Exit status: 0 fine, also when ended by a signal; 2 usage or environment error.\n";

struct options {
	struct export *export;
	struct netns_asked netns;
	const char *listen, *textfile;
	double interval_s;
};

static int take_option(void *context, int option)
{
	struct options *options = context;
	double number = 0;
	int status;

	switch (option) {
	case 'l':
		options->listen = optarg;
		return STATUS_FINE;
	case 'f':
		options->textfile = optarg;
		return *optarg ? STATUS_FINE : complain("--textfile", "is empty");
	case 'i':
		return option_number("--interval", optarg, 0.1, 86400, &options->interval_s);
	case 'a':
		options->export->look_for.host = options->export->look_for.all_netns = true;
		return STATUS_FINE;
	case 'H':
		options->export->look_for.host = true;
		return STATUS_FINE;
	case 't':
		status = option_number("--top", optarg, 1, EXPORT_TOP_MAX, &number);
		options->export->top = (unsigned)number;
		return status;
	case 'p':
		options->export->per_pid = true;
		return STATUS_FINE;
	case 'd':
		options->export->look_for.state_dir = optarg;
		return STATUS_FINE;
	default:
		return netns_take(&options->netns, option, optarg);
	}
}

static int check_options(struct options *options)
{
	if (options->listen && options->textfile)
		return complain("--listen", "cannot be together with --textfile: start headroom twice");
	if (options->interval_s > 0 && !options->textfile)
		return complain("--interval", "is for --textfile");
	if (options->export->look_for.all_netns && options->netns.what)
		return complain("--all-netns", "is for all namespaces: not with %s", options->netns.option);
	options->export->look_for.host |= options->netns.what != NULL;
	int status = spaces_state_dir(&options->export->look_for.state_dir);
	return status ? status : netns_enter(&options->netns);
}

static int take_options(struct options *options, int argc, char **argv)
{
	static const struct option known[] = { { "listen", required_argument, NULL, 'l' },
					       { "textfile", required_argument, NULL, 'f' },
					       { "interval", required_argument, NULL, 'i' },
					       { "host", no_argument, NULL, 'H' },
					       NETNS_OPTIONS,
					       { "all-netns", no_argument, NULL, 'a' },
					       { "top", required_argument, NULL, 't' },
					       { "per-pid", no_argument, NULL, 'p' },
					       { "state-dir", required_argument, NULL, 'd' },
					       { "help", no_argument, NULL, 'h' },
					       { NULL, 0, NULL, 0 } };
	static const struct verb_options all = { .verb = "export",
						 .usage = usage,
						 .letters = ":h",
						 .known = known,
						 .take = take_option,
						 .no_words = true };

	int status = verb_options_take(&all, argc, argv, options);
	return status ? status : check_options(options);
}

static bool write_all(int fd, const char *text, size_t size)
{
	while (size) {
		ssize_t written = write(fd, text, size);
		if (written < 0 && errno != EINTR)
			return false;
		if (written > 0) {
			text += written;
			size -= (size_t)written;
		}
	}
	return true;
}

/* Whoever reads the file sees the old one or the new one, whole. */
static int write_file(const char *path, const char *text, size_t size)
{
	char *temporary;
	mode_t mask = umask(0);

	umask(mask);
	if (asprintf(&temporary, "%s.XXXXXX", path) < 0)
		return complain("--textfile", "no memory");
	int fd = mkostemp(temporary, O_CLOEXEC), why = errno;
	bool done = fd >= 0;
	if (done) {
		done = write_all(fd, text, size) && !fchmod(fd, 0666 & ~mask);
		why = errno;
		if (close(fd) && done) {
			done = false;
			why = errno;
		}
		if (done && rename(temporary, path)) {
			done = false;
			why = errno;
		}
		if (!done)
			unlink(temporary);
	}
	free(temporary);
	return done ? STATUS_FINE : complain("--textfile", "%s: %s", path, strerror(why));
}

static int write_look(const struct options *options)
{
	char *text;
	size_t size;
	int status = export_page(options->export, &text, &size);

	if (status)
		return status;
	if (options->textfile) {
		status = write_file(options->textfile, text, size);
	} else {
		fwrite(text, 1, size, stdout);
		if (fflush(stdout) || ferror(stdout))
			status = complain("standard output", "%s", strerror(errno));
	}
	free(text);
	return status;
}

/* The file's first writing has to succeed; later ones are tried again. */
static int write_again(const struct options *options)
{
	ending_signals_block();
	int status = write_look(options);
	if (options->interval_s <= 0 || status)
		return status;
	while (!ending_signals_wait(options->interval_s))
		write_look(options);
	return STATUS_FINE;
}

static int serve(struct options *options)
{
	ending_signals_block();
	options->export->look_for.say_skipped = false;
	return export_serve(options->export, options->listen);
}

int verb_export(int argc, char **argv)
{
	struct export export = { .top = 20, .look_for = { .say_skipped = true } };
	struct options options = { .export = &export };
	int status = take_options(&options, argc, argv);

	if (!status)
		status = options.listen     ? serve(&options)
			 : options.textfile ? write_again(&options)
					    : write_look(&options);
	spaces_kept_end(&export.kept);
	export_end(&export);
	return status;
}
