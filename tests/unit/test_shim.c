// SPDX-License-Identifier: Apache-2.0
/* test_shim - the state of the library in one process, and the lock around it. */
#include "pool/shim.h"
#include "tests/unit/check.h"
#include "tests/unit/program.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define TO "10.0.0.9:80"

TestSuite(shim, .init = limit_time);

Test(shim, starts_empty_with_default_settings)
{
	shim_start(&shim, "a-program-whose-name-is-longer-than-a-program-s-name-may-be-at-the-most");
	check_number(strlen(shim.process), PROCESS_NAME_MAX - 1);
	check_number(shim.settings.log_level, LOG_LEVEL_WARN);
	check_number(shim.ledger.count, 0);
	check(!shim.lock.passive);
	check(shim.ledger.started_ns);
}

Test(shim, a_thread_inside_passes_through)
{
	shim_start(&shim, "unit");
	check(shim_enter(&shim));
	check(!shim_enter(&shim));
	check(!shim_enter_held(&shim, &(struct held){ 0 }));
	check(!shim.lock.passive);
	shim_leave(&shim);
	check(shim_enter(&shim));
	shim_leave(&shim);
}

static volatile sig_atomic_t entered = -1;

static void on_signal(int number)
{
	(void)number;
	entered = shim_enter(&shim);
}

Test(shim, a_signal_handler_inside_passes_through_at_once)
{
	shim_start(&shim, "unit");
	signal(SIGUSR1, on_signal);
	check(shim_enter(&shim));
	raise(SIGUSR1);
	check_number(entered, 0);
	check(!shim.lock.passive);
	shim_leave(&shim);
	raise(SIGUSR1);
	check_number(entered, 1);
	shim_leave(&shim);
}

static long connected_in_handler = 1;
static struct program_socket socket_of_handler;

static void on_signal_connect(int number)
{
	(void)number;
	connected_in_handler = program_connect(&socket_of_handler, TO);
}

Test(shim, a_connect_from_a_handler_inside_is_the_plain_call)
{
	program_start("[headroom]\nsources = 10.0.0.2\n");
	socket_of_handler = program_socket(AF_INET);
	signal(SIGUSR1, on_signal_connect);
	check(shim_enter(&shim));
	unsigned calls = fake_total_calls();
	raise(SIGUSR1);
	shim_leave(&shim);
	check_number(connected_in_handler, 0);
	check_number(fake_total_calls(), calls);
	check_address(&fake_fd(socket_of_handler.fd)->local.ip, "10.0.0.1");
	check_number(shim.ledger.count, 0);
}

static void *take_and_go(void *argument)
{
	(void)argument;
	return shim_enter(&shim) ? &shim : NULL;
}

Test(shim, a_lock_that_is_never_released_makes_the_shim_passive)
{
	pthread_t thread;
	void *took;
	program_start("[headroom]\nsources = 10.0.0.2\n");
	struct program_socket s = program_socket(AF_INET), t = program_socket(AF_INET);
	check_number(program_connect(&s, TO), 0);
	/* The limit of waiting is real time. */
	fake.clock_stopped = false;
	check(!pthread_create(&thread, NULL, take_and_go, NULL));
	pthread_join(thread, &took);
	check(took);
	check(!shim_enter(&shim));
	check(shim.lock.passive);
	check_contains(fake.output, "event=passive");
	fake.output[0] = 0;
	/* From now on nobody waits, and the program's calls are plain. */
	for (unsigned i = 0; i < 1000; i++)
		check(!shim_enter(&shim));
	unsigned calls = fake_total_calls();
	check_number(program_connect(&t, TO), 0);
	check_number(fake_total_calls(), calls);
	check_address(&fake_fd(t.fd)->local.ip, "10.0.0.1");
	check_text(fake.output, "");
}

static atomic_bool inside;

static void *be_stopped_inside(void *argument)
{
	if (!shim_enter(&shim))
		_exit(2);
	atomic_store(&inside, true);
	while (atomic_load(&shim.lock.word) != 2) /* until somebody waits for it */
		usleep(100);
	usleep(20000); /* and is in futex(2) */
	kill(getpid(), SIGSTOP);
	usleep(20000); /* who waits runs again before this one */
	shim_leave(&shim);
	return argument;
}

static void wait_while_stopped(void)
{
	pthread_t thread;

	shim_start(&shim, "unit");
	if (pthread_create(&thread, NULL, be_stopped_inside, NULL))
		_exit(2);
	while (!atomic_load(&inside))
		usleep(100);
	_exit(shim_enter(&shim) && !shim.lock.passive ? 0 : 1);
}

Test(shim, the_time_that_a_process_was_stopped_does_not_make_it_passive)
{
	int status;
	fake.clock_stopped = false;
	pid_t pid = fork();
	if (!pid)
		wait_while_stopped();
	check_number(waitpid(pid, &status, WUNTRACED), pid);
	check(WIFSTOPPED(status));
	usleep(1200000); /* longer than anybody waits for the lock */
	check(!kill(pid, SIGCONT));
	check_number(waitpid(pid, &status, 0), pid);
	check_number(WIFEXITED(status) ? WEXITSTATUS(status) : -1, 0);
}

enum { THREADS = 4, ROUNDS = 20000 };
static unsigned counter;

static void *count(void *argument)
{
	(void)argument;
	for (unsigned i = 0; i < ROUNDS; i++) {
		if (!shim_enter(&shim))
			return &shim;
		counter++;
		shim_leave(&shim);
	}
	return NULL;
}

Test(shim, the_lock_excludes)
{
	pthread_t threads[THREADS];
	void *failed;
	shim_start(&shim, "unit");
	for (unsigned i = 0; i < THREADS; i++)
		check(!pthread_create(&threads[i], NULL, count, NULL));
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(threads[i], &failed);
		check(!failed);
	}
	check_number(counter, THREADS * ROUNDS);
	check_number(shim.lock.word, 0);
}

Test(shim, restart_forgets_the_connections_and_keeps_the_settings)
{
	program_start(
		"[headroom]\nsources = 10.0.0.2-10.0.0.5\nlog_level = info\n[to 10.9.0.0/16]\nshim = off\n");
	struct program_socket s = program_socket(AF_INET);
	check_number(program_connect(&s, TO), 0);
	struct address source = ip("10.0.0.3");
	shim.spreading.aside[shim.spreading.aside_count++] =
		(struct aside){ .source = source, .until_ns = UINT64_MAX };
	unsigned generation = shim.lock.generation;
	uint64_t random = shim.spreading.random;
	fake.now_ns += 1;
	shim_restart(&shim);
	check_number(shim.lock.generation, generation + 1);
	check_number(shim.ledger.count, 0);
	check(!ledger_next(&shim.ledger, NULL));
	check_number(shim.arena.mapped, 0);
	check_number(shim.spreading.aside_count, 0);
	check_number(shim.ledger.range.high, 0);
	check(!shim.sockets.spare);
	check(shim.spreading.random != random);
	check_number(shim.settings.otherwise.sources.count, 4);
	check_number(shim.settings.log_level, LOG_LEVEL_INFO);
	check(shim.settings.rules[0].leave_alone);
	check(!shim_enter_held(&shim, &s.held));
	check(shim_enter(&shim));
	shim_leave(&shim);
	shim.spreading.knee.way = KNEE_WHOLE_RANGE;
	check_number(program_connects(AF_INET, TO), 0);
	check_number(shim.ledger.count, 1);
}

Test(shim, restart_frees_a_lock_that_another_thread_held)
{
	pthread_t thread;
	shim_start(&shim, "unit");
	check(!pthread_create(&thread, NULL, take_and_go, NULL));
	pthread_join(thread, NULL);
	pid_t child = fork();
	if (!child) {
		shim_restart(&shim);
		_exit(shim_enter(&shim) ? 0 : 1);
	}
	int status;
	check_number(waitpid(child, &status, 0), child);
	check_number(status, 0);
}

Test(shim, a_forked_child_that_connects_once_writes_one_page)
{
	program_start("");
	check_number(program_connects(AF_INET, TO), 0);
	for (int children = 0; children < 2; children++) {
		shim_restart(&shim);
		shim.writer.state = USAGE_WAITING;
		check_number(program_connects(AF_INET, TO), 0);
		check_number(shim.arena.mapped, 0);
		char *next = arena_alloc(&shim.arena, 32);
		check(next > shim.arena_room && next - shim.arena_room <= SHIM_ONE_CONNECTION);
		for (char *at = next; at < shim.arena_room + sizeof(shim.arena_room); at++)
			check(!*at);
	}
}

Test(shim, restart_under_the_lock_leaves_the_interrupted_hook_its_memory)
{
	program_start("");
	check_number(program_connects(AF_INET, TO), 0);
	check(shim_enter(&shim));
	struct destination *d = program_destination(TO);
	/* A handler that interrupts a hook forks, by _Fork(). */
	shim_restart(&shim);
	check(shim.lock.passive);
	check(program_destination(TO) == d);
	check_number(d->spaces->open, 1);
	shim_leave(&shim);
	check(!shim_enter(&shim));
}

Test(shim, a_held_record_is_void_after_a_restart)
{
	shim_start(&shim, "unit");
	struct held held = { .generation = shim.lock.generation };
	check(shim_enter_held(&shim, &held));
	shim_leave(&shim);
	shim_restart(&shim);
	check(!shim_enter_held(&shim, &held));
	check(shim_enter(&shim));
	shim_leave(&shim);
}

Test(shim, records_are_used_again)
{
	shim_start(&shim, "unit");
	struct tracked *first = tracked_new(&shim.sockets, AF_INET),
		       *second = tracked_new(&shim.sockets, AF_INET6);
	check(first && second && first != second);
	first->flags = DEFERRED;
	shim.sockets.deferred_count = 1;
	first->references++;
	tracked_put(&shim.sockets, first);
	check_number(shim.sockets.deferred_count, 1);
	tracked_put(&shim.sockets, first);
	check_number(shim.sockets.deferred_count, 0);
	struct tracked *third = tracked_new(&shim.sockets, AF_INET6);
	check(third == first);
	check_number(third->flags, 0);
	check_number(third->references, 1);
	check_number(third->family, AF_INET6);
}

Test(shim, the_range_is_read_every_30_s_and_kept_if_proc_goes_away)
{
	program_start("");
	ledger_refresh_range(&shim.ledger, fake.now_ns);
	check_number(shim.ledger.range.low, 40000);
	check_number(shim.ledger.range_until_ns, fake.now_ns + 30 * 1000000000ull);
	fake_fail(CALL_OPENAT, ENOENT);
	fake.now_ns += 30 * 1000000000ull;
	ledger_refresh_range(&shim.ledger, fake.now_ns);
	check_number(shim.ledger.range.low, 40000);
	check_number(shim.ledger.range_until_ns, fake.now_ns + 30 * 1000000000ull);
	fake_recover();
	fake_range(50000, 50099, "", 0);
	ledger_refresh_range(&shim.ledger, fake.now_ns);
	check_number(shim.ledger.range.low, 50000);
}

Test(shim, random_numbers_are_spread)
{
	unsigned buckets[16] = { 0 };
	shim_start(&shim, "unit");
	shim.spreading.random = 0; /* the one state xorshift does not leave */
	for (unsigned i = 0; i < 16000; i++)
		buckets[spreading_random(&shim.spreading) % 16]++;
	for (unsigned i = 0; i < 16; i++)
		check(buckets[i] > 800 && buckets[i] < 1200);
}
