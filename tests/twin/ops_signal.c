/* SPDX-License-Identifier: Apache-2.0 */
/* ops_signal - handlers that go on with a block, on small stacks, and jump out. */
#include "actor.h"

#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>

enum { PAINT = 0xa5, GUARD = 65536 };

static const struct block *handler_block[65];
static __thread struct strand *current;
static sigjmp_buf point;
static bool point_is_set;
static unsigned char *stack;
static size_t stack_size;

static int number_of(const char *name)
{
	static const struct {
		const char *name;
		int number;
	} signals[] = { { "usr1", SIGUSR1 }, { "alrm", SIGALRM }, { "pipe", SIGPIPE },
			{ "xfsz", SIGXFSZ }, { "io", SIGIO },     { "segv", SIGSEGV },
			{ "chld", SIGCHLD }, { "ttou", SIGTTOU }, { "urg", SIGURG } };
	for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
		if (!strcmp(signals[i].name, name))
			return signals[i].number;
	return SIGUSR2;
}

static void handle(int number)
{
	if (!current || !handler_block[number])
		return;
	struct strand inner = *current;
	inner.within = handler_block[number]->name;
	say(&inner, "\n");
	block_run(&inner, handler_block[number]);
}

static void run_handler(struct strand *strand, const struct step *step)
{
	int number = number_of(step->arguments[0].word);
	const char *how = step->arguments[2].word;
	struct sigaction action = { .sa_handler = handle };
	handler_block[number] = block_find(step->arguments[1].word);
	action.sa_flags = (strchr(how, 'r') ? SA_RESTART : 0) | (strchr(how, 's') ? SA_ONSTACK : 0);
	current = strand;
	say_result(strand, sigaction(number, &action, NULL));
}

static void run_disposition(struct strand *strand, const struct step *step)
{
	struct sigaction action = { 0 };
	int result = sigaction(number_of(step->arguments[0].word), NULL, &action);
	say_result(strand, result);
	say(strand, action.sa_handler == SIG_DFL   ? " default"
		    : action.sa_handler == SIG_IGN ? " ignored"
						   : " handler");
}

static void run_ignore(struct strand *strand, const struct step *step)
{
	say(strand, signal(number_of(step->arguments[0].word), SIG_IGN) == SIG_ERR ? " error" : "");
}

static void run_raise(struct strand *strand, const struct step *step)
{
	current = strand;
	say_result(strand, raise(number_of(step->arguments[0].word)));
}

static void run_timer(struct strand *strand, const struct step *step)
{
	struct itimerval timer = { { 0, 0 }, { 0, (int)step->arguments[0].number * 1000 } };
	current = strand;
	say_result(strand, setitimer(ITIMER_REAL, &timer, NULL));
}

static void run_mask(struct strand *strand, const struct step *step)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, number_of(step->arguments[0].word));
	say_result(strand,
		   sigprocmask(step->arguments[1].word[0] == 'b' ? SIG_BLOCK : SIG_UNBLOCK, &set, NULL));
}

/* The whole mask and what is pending: none of ours stays blocked. */
static void run_blocked(struct strand *strand, const struct step *step)
{
	sigset_t blocked, pending;
	(void)step;
	sigprocmask(SIG_BLOCK, NULL, &blocked);
	sigpending(&pending);
	for (int i = 1; i < 32; i++) {
		if (sigismember(&blocked, i) == 1) {
			say(strand, " blocked=");
			say_number(strand, i);
		}
		if (sigismember(&pending, i) == 1) {
			say(strand, " pending=");
			say_number(strand, i);
		}
	}
}

static void run_alternate(struct strand *strand, const struct step *step)
{
	stack_size = (size_t)step->arguments[0].number;
	unsigned char *memory = mmap(NULL, GUARD + stack_size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	stack = memory + GUARD;
	mprotect(stack, stack_size, PROT_READ | PROT_WRITE);
	memset(stack, PAINT, stack_size);
	stack_t alternate = { .ss_sp = stack, .ss_size = stack_size };
	say_result(strand, sigaltstack(&alternate, NULL));
}

static void run_depth(struct strand *strand, const struct step *step)
{
	(void)step;
	if (!stack)
		return;
	size_t clean = 0;
	while (clean < stack_size && stack[clean] == PAINT)
		clean++;
	say(strand, " depth=");
	say_number(strand, (long)(stack_size - clean));
}

/* A block from which a handler's jump comes back to here. */
static void run_landing(struct strand *strand, const struct step *step)
{
	const struct block *block = block_find(step->arguments[0].word);
	struct strand inner = *strand;
	if (!block)
		return;
	inner.within = block->name;
	if (sigsetjmp(point, 1)) {
		say(strand, "\n landed");
	} else {
		point_is_set = true;
		say(strand, "\n");
		current = &inner;
		block_run(&inner, block);
	}
	point_is_set = false;
	current = strand;
}

static void run_jump(struct strand *strand, const struct step *step)
{
	(void)step;
	if (!point_is_set) {
		say(strand, " nowhere");
		return;
	}
	say(strand, "\n");
	siglongjmp(point, 1);
}

const struct operation signal_operations[] = {
	{ "handler", 2, "one:usr1|pipe|xfsz|io block one:-|r|s|rs", run_handler },
	{ "disposition", 1, "one:usr1|pipe|xfsz|io|segv|chld|alrm|ttou", run_disposition },
	{ "ignore", 1, "one:pipe|xfsz|chld", run_ignore },
	{ "raise", 3, "one:usr1", run_raise },
	{ "timer", 0, "int:1-300", run_timer },
	{ "mask", 1, "one:usr1|pipe|xfsz one:block|unblock", run_mask },
	{ "blocked", 2, "", run_blocked },
	{ "alternate", 1, "one:8192|16384", run_alternate },
	{ "depth", 0, "", run_depth },
	{ "landing", 0, "block", run_landing },
	{ "jump", 0, "", run_jump },
	{ NULL, 0, NULL, NULL },
};
