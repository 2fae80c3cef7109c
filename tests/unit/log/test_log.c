// SPDX-License-Identifier: Apache-2.0
/* test_log - one line where the user wants it, without harm to the program. */
#include "pool/log/log.h"
#include "tests/unit/check.h"
#include "tests/unit/fake/kernel.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static struct settings settings;
static struct log_line line;
static struct log lg;

static void start(void)
{
	fake_start();
	settings_default(&settings);
	log_start(&lg, &settings, "unit");
}

TestSuite(log, .init = start, .fini = fake_stop);

#define LOGFMT_HEAD "headroom time=2023-11-14T22:13:20.123Z level=warn prog=unit pid=4711 event=test"
#define JSON_HEAD                                                                                      \
	"{\"app\":\"headroom\",\"schema\":1,\"time\":\"2023-11-14T22:13:20.123Z\",\"level\":\"warn\"," \
	"\"prog\":\"unit\","                                                                           \
	"\"pid\":4711,\"event\":\"test\""

static void write_line(const char *name, const char *value)
{
	log_begin(&lg, &line, LOG_LEVEL_WARN, "test");
	if (name)
		log_text(&line, name, value);
	log_end(&lg, &line);
}

Test(log, a_line_of_logfmt)
{
	log_begin(&lg, &line, LOG_LEVEL_WARN, "test");
	log_text(&line, "source", "10.0.0.1");
	log_number(&line, "in_use", 28232);
	log_number(&line, "most", UINT64_MAX);
	log_text(&line, "msg", "two words");
	log_end(&lg, &line);
	check_text(fake.output, LOGFMT_HEAD " source=10.0.0.1 in_use=28232 most=18446744073709551615"
					    " msg=\"two words\"\n");
}

Test(log, a_line_of_json)
{
	settings.log_format = LOG_FORMAT_JSON;
	log_begin(&lg, &line, LOG_LEVEL_WARN, "test");
	log_text(&line, "source", "10.0.0.1");
	log_number(&line, "in_use", 0);
	log_end(&lg, &line);
	check_text(fake.output, JSON_HEAD ",\"source\":\"10.0.0.1\",\"in_use\":0}\n");
}

struct escape_case {
	char value[32], logfmt[48], json[48];
};

ParameterizedTestParameters(log, values_are_escaped)
{
	static struct escape_case cases[] = {
		{ "plain", "plain", "\"plain\"" },
		{ "", "\"\"", "\"\"" },
		{ "a b", "\"a b\"", "\"a b\"" },
		{ "a=b", "\"a=b\"", "\"a=b\"" },
		{ "say \"x\"", "\"say \\\"x\\\"\"", "\"say \\\"x\\\"\"" },
		{ "\"", "\"\\\"\"", "\"\\\"\"" },
		{ "C:\\x", "\"C:\\\\x\"", "\"C:\\\\x\"" },
		{ "a\nb", "\"a\\u000ab\"", "\"a\\u000ab\"" },
		{ "\r\t", "\"\\u000d\\u0009\"", "\"\\u000d\\u0009\"" },
		{ "\033[31m", "\"\\u001b[31m\"", "\"\\u001b[31m\"" },
		{ "\001\037", "\"\\u0001\\u001f\"", "\"\\u0001\\u001f\"" },
		{ "\177", "\"\\u007f\"", "\"\\u007f\"" },
		{ "caf\303\251", "caf\303\251", "\"caf\303\251\"" },
		{ "\233A", "\"\\ufffdA\"", "\"\\ufffdA\"" },
		{ "\302\233A", "\"\\u009bA\"", "\"\\u009bA\"" },
		{ "a\342\200\250b", "\"a\\u2028b\"", "\"a\\u2028b\"" },
	};
	return cr_make_param_array(struct escape_case, cases, sizeof(cases) / sizeof(cases[0]));
}

ParameterizedTest(struct escape_case *c, log, values_are_escaped)
{
	char want[200];
	write_line("v", c->value);
	snprintf(want, sizeof(want), LOGFMT_HEAD " v=%s\n", c->logfmt);
	check_text(fake.output, want);
	settings.log_format = LOG_FORMAT_JSON;
	*fake.output = '\0';
	write_line("v", c->value);
	snprintf(want, sizeof(want), JSON_HEAD ",\"v\":%s}\n", c->json);
	check_text(fake.output, want);
}

Test(log, a_program_s_name_is_escaped_too)
{
	lg.process = "a\n\"b";
	write_line(NULL, NULL);
	check_contains(fake.output, " prog=\"a\\u000a\\\"b\" ");
}

struct time_case {
	int64_t seconds;
	char text[32];
};

ParameterizedTestParameters(log, the_time_is_utc_as_rfc_3339_has_it)
{
	static struct time_case cases[] = {
		{ 0, "1970-01-01T00:00:00.123Z" },          { 951782399, "2000-02-28T23:59:59.123Z" },
		{ 951782400, "2000-02-29T00:00:00.123Z" },  { 951868800, "2000-03-01T00:00:00.123Z" },
		{ 1709164800, "2024-02-29T00:00:00.123Z" }, { 1735689599, "2024-12-31T23:59:59.123Z" },
		{ 1735689600, "2025-01-01T00:00:00.123Z" }, { 4107542399, "2100-02-28T23:59:59.123Z" },
		{ 4107542400, "2100-03-01T00:00:00.123Z" }, { 2147483648, "2038-01-19T03:14:08.123Z" },
	};
	return cr_make_param_array(struct time_case, cases, sizeof(cases) / sizeof(cases[0]));
}

ParameterizedTest(struct time_case *c, log, the_time_is_utc_as_rfc_3339_has_it)
{
	fake.realtime_s = c->seconds;
	write_line(NULL, NULL);
	check_contains(fake.output, c->text);
}

Test(log, every_day_of_a_century_is_libc_s)
{
	for (int64_t day = 0; day < 36525; day++) {
		char want[40];
		struct tm tm;
		time_t seconds = (time_t)(day * 86400 + day % 86400);
		fake.realtime_s = seconds;
		gmtime_r(&seconds, &tm);
		strftime(want, sizeof(want), "time=%Y-%m-%dT%H:%M:%S.123Z", &tm);
		log_begin(&lg, &line, LOG_LEVEL_WARN, "test");
		line.text[line.used] = '\0';
		check_contains(line.text, want);
	}
}

struct level_case {
	enum log_level set, of_line;
	bool written;
};

ParameterizedTestParameters(log, lines_below_the_level_are_left_out)
{
	static struct level_case cases[] = {
		{ LOG_LEVEL_ERROR, LOG_LEVEL_ERROR, true }, { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, false },
		{ LOG_LEVEL_ERROR, LOG_LEVEL_INFO, false }, { LOG_LEVEL_WARN, LOG_LEVEL_ERROR, true },
		{ LOG_LEVEL_WARN, LOG_LEVEL_WARN, true },   { LOG_LEVEL_WARN, LOG_LEVEL_INFO, false },
		{ LOG_LEVEL_INFO, LOG_LEVEL_ERROR, true },  { LOG_LEVEL_INFO, LOG_LEVEL_INFO, true },
	};
	return cr_make_param_array(struct level_case, cases, sizeof(cases) / sizeof(cases[0]));
}

ParameterizedTest(struct level_case *c, log, lines_below_the_level_are_left_out)
{
	settings.log_level = c->set;
	log_message(&lg, c->of_line, "test", "x");
	check_number(*fake.output != '\0', c->written);
}

/* Strings closed, braces closed, one line. */
static bool is_json_object(const char *text)
{
	bool quoted = false;
	size_t i = 0;

	for (; text[i] && text[i] != '\n'; i++) {
		if (quoted && text[i] == '\\') {
			i++;
			if (text[i] == 'u' &&
			    !(isxdigit((unsigned char)text[i + 1]) && isxdigit((unsigned char)text[i + 2]) &&
			      isxdigit((unsigned char)text[i + 3]) && isxdigit((unsigned char)text[i + 4])))
				return false;
		} else if (text[i] == '"') {
			quoted = !quoted;
		}
	}
	return !quoted && i > 1 && text[0] == '{' && text[i - 1] == '}' && text[i] == '\n' && !text[i + 1];
}

Test(log, a_line_too_long_is_cut_and_still_json)
{
	static char value[3000];
	settings.log_format = LOG_FORMAT_JSON;
	for (unsigned length = 850; length < 1100; length++) {
		memset(value, length % 2 ? 'x' : '\n', length);
		value[length] = '\0';
		*fake.output = '\0';
		write_line("msg", value);
		check(strlen(fake.output) <= LOG_LINE_MAX);
		cr_assert(is_json_object(fake.output), "of a value of %u bytes: %s", length,
			  fake.output + 800);
	}
}

Test(log, a_line_too_long_is_cut_and_still_logfmt)
{
	static char value[3000];
	memset(value, ' ', sizeof(value) - 1);
	write_line("msg", value);
	size_t length = strlen(fake.output);
	check(length <= LOG_LINE_MAX && fake.output[length - 1] == '\n' && fake.output[length - 2] == '"');
}

/* The rate limit. */

#define SECOND 1000000000ull

static unsigned allowed(unsigned asked, uint64_t now_ns)
{
	unsigned count = 0;
	uint64_t suppressed;
	while (asked--)
		count += log_allow(&lg, now_ns, &suppressed);
	return count;
}

Test(log, a_burst_then_so_many_a_second)
{
	check_number(allowed(100, 1000 * SECOND), LOG_BURST);
	check_number(allowed(100, 1001 * SECOND), LOG_PER_SECOND);
	check_number(allowed(100, 1001 * SECOND + SECOND / 10), 1);
	check_number(allowed(100, 2000 * SECOND), LOG_BURST);
}

Test(log, what_was_left_out_is_said_in_the_next_line)
{
	uint64_t suppressed = 99;
	check(log_allow(&lg, 1000 * SECOND, &suppressed));
	check_number(suppressed, 0);
	check_number(allowed(100, 1000 * SECOND), LOG_BURST - 1);
	check(log_allow(&lg, 1001 * SECOND, &suppressed));
	check_number(suppressed, 100 - LOG_BURST + 1);
	check(log_allow(&lg, 1001 * SECOND, &suppressed));
	check_number(suppressed, 0);
}

/* Ends of connections are entered by a clock some milliseconds behind. */
Test(log, a_clock_that_is_a_little_behind_earns_nothing)
{
	check_number(allowed(100, 1000 * SECOND), LOG_BURST);
	check_number(allowed(100, 1000 * SECOND - 1), 0);
	check_number(allowed(100, 1000 * SECOND - 4000000), 0);
	check_number(allowed(100, 1001 * SECOND), LOG_PER_SECOND);
}

/* Where lines go. */

Test(log, off_writes_nowhere)
{
	settings.log_to = LOG_TO_NOTHING;
	unsigned calls = fake.calls[CALL_WRITE];
	write_line(NULL, NULL);
	check_text(fake.output, "");
	check_number(fake.calls[CALL_WRITE], calls);
}

Test(log, a_file_is_opened_for_each_line)
{
	settings.log_to = LOG_TO_FILE;
	strcpy(settings.log_path, "/var/log/x");
	write_line("n", "1");
	write_line("n", "2");
	check_text(fake.log_file, LOGFMT_HEAD " n=1\n" LOGFMT_HEAD " n=2\n");
	check_text(fake.output, "");
	check_number(fake.calls[CALL_OPENAT], 2);
	check_number(fake_open_fds(), 0);
}

struct planted {
	mode_t mode;
	nlink_t names;
	long error;
};

ParameterizedTestParameters(log, what_another_user_planted_gets_no_line)
{
	static struct planted cases[] = {
		{ S_IFREG | 0640, 1, 0 },        { S_IFREG | 0640, 0, 0 }, /* removed since */
		{ S_IFREG | 0640, 2, -EMLINK },  { S_IFIFO | 0666, 1, -EINVAL },
		{ S_IFCHR | 0666, 1, 0 },        { S_IFBLK | 0666, 1, -EINVAL },
		{ S_IFSOCK | 0666, 1, -EINVAL },
	};
	return cr_make_param_array(struct planted, cases, sizeof(cases) / sizeof(cases[0]));
}

ParameterizedTest(struct planted *c, log, what_another_user_planted_gets_no_line)
{
	settings.log_to = LOG_TO_FILE;
	strcpy(settings.log_path, "/var/log/x");
	fake.log_mode = c->mode;
	fake.log_names = c->names;
	write_line(NULL, NULL);
	check_text(fake.log_file, c->error ? "" : LOGFMT_HEAD "\n");
	check_number(fake_open_fds(), 0);
	long fd = log_open_file("/var/log/x");
	check(c->error ? fd == c->error : fd > 2);
}

struct fault_of_log {
	enum log_destination to;
	enum fake_call call;
	int error;
};

ParameterizedTestParameters(log, what_cannot_be_written_is_dropped)
{
	static struct fault_of_log cases[] = {
		{ LOG_TO_FILE, CALL_OPENAT, EACCES },         { LOG_TO_FILE, CALL_OPENAT, ENOENT },
		{ LOG_TO_FILE, CALL_OPENAT, EMFILE },         { LOG_TO_FILE, CALL_OPENAT, ENXIO },
		{ LOG_TO_FILE, CALL_FSTAT, EPERM },           { LOG_TO_FILE, CALL_WRITE, ENOSPC },
		{ LOG_TO_FILE, CALL_WRITE, EAGAIN },          { LOG_TO_SYSLOG, CALL_SOCKET, EMFILE },
		{ LOG_TO_SYSLOG, CALL_SENDTO, ECONNREFUSED }, { LOG_TO_SYSLOG, CALL_SENDTO, EAGAIN },
		{ LOG_TO_STDERR, CALL_WRITE, ENOSPC },        { LOG_TO_STDERR, CALL_WRITE, EAGAIN },
		{ LOG_TO_STDERR, CALL_PPOLL, EINTR },         { LOG_TO_STDERR, CALL_PPOLL, EINVAL },
		{ LOG_TO_STDERR, CALL_FSTAT, EBADF },         { LOG_TO_STDERR, CALL_GETPID, EPERM },
	};
	return cr_make_param_array(struct fault_of_log, cases, sizeof(cases) / sizeof(cases[0]));
}

ParameterizedTest(struct fault_of_log *c, log, what_cannot_be_written_is_dropped)
{
	settings.log_to = c->to;
	strcpy(settings.log_path, "/var/log/x");
	fake_fail(c->call, c->error);
	write_line(NULL, NULL);
	check_number(fake_open_fds(), 0);
	check(fake.calls[c->call] <= 2);
}

Test(log, an_interrupted_write_is_made_again)
{
	fake_fail_some(CALL_WRITE, EINTR, 0, 2);
	write_line(NULL, NULL);
	check_text(fake.output, LOGFMT_HEAD "\n");
}

Test(log, syslog_gets_a_datagram_with_its_priority)
{
	settings.log_to = LOG_TO_SYSLOG;
	settings.log_level = LOG_LEVEL_INFO;
	write_line(NULL, NULL);
	check_text(fake.syslog, "<28>headroom[4711]: " LOGFMT_HEAD);
	*fake.syslog = '\0';
	log_message(&lg, LOG_LEVEL_ERROR, "test", "x");
	check(!strncmp(fake.syslog, "<27>", 4));
	*fake.syslog = '\0';
	log_message(&lg, LOG_LEVEL_INFO, "test", "x");
	check(!strncmp(fake.syslog, "<30>", 4));
	check_number(fake_open_fds(), 0);
}

Test(log, a_stderr_that_is_another_file_now_is_not_written_to)
{
	fake.stderr_inode++;
	write_line(NULL, NULL);
	check_text(fake.output, "");
}

Test(log, a_stderr_that_was_closed_is_not_written_to)
{
	fake.stderr_inode = 0;
	write_line(NULL, NULL);
	check_number(fake.calls[CALL_WRITE], 0);
	/* Closed at the start already, and a socket of the program's now. */
	log_start(&lg, &settings, "unit");
	fake.stderr_inode = 9;
	write_line(NULL, NULL);
	check_number(fake.calls[CALL_WRITE], 0);
}

struct ready_case {
	short revents;
	bool written;
};

ParameterizedTestParameters(log, stderr_is_written_to_only_when_that_cannot_harm)
{
	static struct ready_case cases[] = {
		{ POLLOUT, true },   { 0, false },
		{ POLLERR, false },  { POLLOUT | POLLERR, false },
		{ POLLNVAL, false }, { POLLOUT | POLLHUP, false },
	};
	return cr_make_param_array(struct ready_case, cases, sizeof(cases) / sizeof(cases[0]));
}

ParameterizedTest(struct ready_case *c, log, stderr_is_written_to_only_when_that_cannot_harm)
{
	fake.stderr_ready = c->revents;
	write_line(NULL, NULL);
	check_number(fake.calls[CALL_WRITE], c->written);
}

/* Against the real kernel. */

static int saved_stderr;

static void start_real(void)
{
	settings_default(&settings);
	limit_time();
	saved_stderr = fcntl(2, F_DUPFD_CLOEXEC, 50);
}

static void stop_real(void)
{
	dup2(saved_stderr, 2);
	close(saved_stderr);
}

TestSuite(log_for_real, .init = start_real, .fini = stop_real);

static void stderr_is(int fd)
{
	dup2(fd, 2);
	log_start(&lg, &settings, "unit");
}

Test(log_for_real, a_full_pipe_does_not_block)
{
	int ends[2];
	char bytes[4096] = { 0 };
	check(!pipe(ends));
	stderr_is(ends[1]);
	fcntl(ends[1], F_SETFL, O_NONBLOCK);
	while (write(ends[1], bytes, sizeof(bytes)) > 0)
		;
	fcntl(ends[1], F_SETFL, 0);
	for (int i = 0; i < 10; i++)
		write_line(NULL, NULL);
	check(read(ends[0], bytes, sizeof(bytes)) == sizeof(bytes));
	write_line(NULL, NULL);
}

Test(log_for_real, a_pipe_without_a_reader_raises_no_signal)
{
	int ends[2];
	check(!pipe(ends));
	stderr_is(ends[1]);
	close(ends[0]);
	write_line(NULL, NULL);
}

/* systemd gives its services such a stderr. */
Test(log_for_real, a_socket_without_a_reader_raises_no_signal)
{
	int ends[2];
	settings.log_asked = true;
	check(!socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
	stderr_is(ends[1]);
	close(ends[0]);
	write_line(NULL, NULL);
}

Test(log_for_real, a_full_socket_does_not_block)
{
	int ends[2];
	char bytes[1024] = { 0 };
	settings.log_asked = true;
	check(!socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
	stderr_is(ends[1]);
	fcntl(ends[1], F_SETFL, O_NONBLOCK);
	while (write(ends[1], bytes, sizeof(bytes)) > 0)
		;
	fcntl(ends[1], F_SETFL, 0);
	write_line(NULL, NULL);
}

Test(log_for_real, a_line_goes_through_a_pipe)
{
	int ends[2];
	char got[2048] = "";
	check(!pipe(ends));
	stderr_is(ends[1]);
	write_line("v", "x");
	check(read(ends[0], got, sizeof(got) - 1) > 0);
	check(!strncmp(got, "headroom time=", 14));
	check_contains(got, " event=test v=x\n");
}

Test(log_for_real, a_socket_of_the_program_s_under_fd_2_gets_nothing)
{
	int ends[2], null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	char got;
	stderr_is(null);
	check(!socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
	dup2(ends[1], 2);
	write_line(NULL, NULL);
	check(recv(ends[0], &got, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN);
	close(2);
	write_line(NULL, NULL);
	check(recv(ends[0], &got, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN);
}

Test(log_for_real, a_file_is_appended_to_and_none_of_ours_stays_open)
{
	char path[] = "/tmp/headroom-unit-XXXXXX", got[4096] = "";
	int fd = mkstemp(path);
	int next = open("/dev/null", O_RDONLY | O_CLOEXEC);
	close(next);
	log_start(&lg, &settings, "unit");
	settings.log_to = LOG_TO_FILE;
	strcpy(settings.log_path, path);
	write_line("n", "1");
	write_line("n", "2");
	check(read(fd, got, sizeof(got) - 1) > 0);
	check_contains(got, " n=1\n");
	check_contains(got, " n=2\n");
	check_number(open("/dev/null", O_RDONLY | O_CLOEXEC), next);
	strcpy(settings.log_path, "/tmp");
	write_line("n", "3");
	strcpy(settings.log_path, "/nonexistent/x");
	write_line("n", "4");
	unlink(path);
}

Test(log_for_real, a_symbolic_link_is_not_followed)
{
	char path[] = "/tmp/headroom-unit-XXXXXX", link[] = "/tmp/headroom-unit-XXXXXX", got;
	int fd = mkstemp(path);
	close(mkstemp(link));
	unlink(link);
	check(!symlink(path, link));
	log_start(&lg, &settings, "unit");
	settings.log_to = LOG_TO_FILE;
	strcpy(settings.log_path, link);
	write_line(NULL, NULL);
	check_number(read(fd, &got, 1), 0);
	check(log_open_file(link) == -ELOOP);
	unlink(link);
	unlink(path);
}

Test(log_for_real, a_fifo_with_a_reader_gets_no_line)
{
	char path[] = "/tmp/headroom-unit-XXXXXX", got;
	close(mkstemp(path));
	unlink(path);
	check(!mkfifo(path, 0600));
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	log_start(&lg, &settings, "unit");
	settings.log_to = LOG_TO_FILE;
	strcpy(settings.log_path, path);
	write_line(NULL, NULL);
	check_number(read(fd, &got, 1), 0);
	unlink(path);
}

Test(log_for_real, a_fifo_without_a_reader_is_no_place_to_wait)
{
	char path[] = "/tmp/headroom-unit-XXXXXX";
	close(mkstemp(path));
	unlink(path);
	check(!mkfifo(path, 0600));
	log_start(&lg, &settings, "unit");
	settings.log_to = LOG_TO_FILE;
	strcpy(settings.log_path, path);
	write_line(NULL, NULL);
	unlink(path);
}

Test(log_for_real, with_0_to_2_closed_a_file_gets_an_fd_above)
{
	char path[] = "/tmp/headroom-unit-XXXXXX", got[4096] = "";
	int fd = mkstemp(path), high = fcntl(fd, F_DUPFD_CLOEXEC, 60);
	settings.log_to = LOG_TO_FILE;
	strcpy(settings.log_path, path);
	close(2);
	log_start(&lg, &settings, "unit");
	write_line("n", "1");
	check(fcntl(2, F_GETFD) < 0);
	check(pread(high, got, sizeof(got) - 1, 0) > 0);
	check_contains(got, " n=1\n");
	unlink(path);
}
