// SPDX-License-Identifier: Apache-2.0
/* test_file - the rule file: what is read, and what is said of a bad one. */
#include "pool/rules/file.h"
#include "tests/unit/check.h"
#include "tests/unit/fake/kernel.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

static struct arena arena;
static struct settings settings;
static struct complaint complaint;

static void start(void)
{
	settings_default(&settings);
}

TestSuite(rule_file, .init = start);

static bool parse(const char *given)
{
	static char text[65536];
	snprintf(text, sizeof(text), "%s", given);
	return rule_file_parse(&arena, &settings, text, strlen(text), "rules.conf", &complaint);
}

static void good(const char *given)
{
	cr_assert(parse(given), "%s: %s", complaint.place, complaint.reason);
}

Test(rule_file, a_whole_file_is_read)
{
	good("# what the whole program does\n"
	     "[headroom]\n"
	     "log = syslog\n"
	     "log_level=info\n"
	     "warn_at = 60%, 90%   # two steps\n"
	     "\n"
	     "; an old comment\n"
	     "[to 10.20.0.0/16:443]        # also: host only\n"
	     "sources = 10.0.0.5-10.0.0.12\n"
	     "spread = spill\n"
	     "explicit_source = spread\n"
	     "[to *:6379]\n"
	     "shim = off\n"
	     "[to [fd00::]/64:443]\n"
	     "\tproc = nginx\n"
	     "[to 10.9.9.9 proc=curl]\n"
	     "shim = on\n"
	     "explicit_source = keep\n");
	check_number(settings.log_to, LOG_TO_SYSLOG);
	check_number(settings.log_level, LOG_LEVEL_INFO);
	check_number(settings.warn_steps, 2);
	check_number(settings.rule_count, 4);
	const struct rule *r = settings.rules;
	check_number(r[0].sources.count, 8);
	check_number(r[0].spread, SPREAD_SPILL);
	check(r[0].override_bound_source && !r[0].leave_alone);
	check(r[1].leave_alone && r[1].to.any_address);
	check_number(r[1].to.port, 6379);
	check_number(r[2].to.bits, 64);
	check_number(r[2].to.port, 443);
	check_text(r[2].to.process, "nginx");
	check_text(r[3].to.process, "curl");
	check(!r[3].leave_alone && !r[3].override_bound_source);
}

Test(rule_file, an_empty_file_is_a_good_one)
{
	good("");
	good("\n\n");
	good("# nothing\n   # here\n");
	good("[headroom]");
	check_number(settings.rule_count, 0);
}

Test(rule_file, lines_may_end_as_on_windows)
{
	good("[headroom]\r\nlog = off\r\n[to 10.0.0.9]\r\nspread = off\r\n");
	check_number(settings.log_to, LOG_TO_NOTHING);
	check_number(settings.rule_count, 1);
}

Test(rule_file, a_hash_without_a_blank_before_it_is_no_comment)
{
	good("[headroom]\nlog = file:/tmp/a#b # c\n");
	check_text(settings.log_path, "/tmp/a#b");
}

Test(rule_file, an_indented_line_goes_on_with_the_value_before)
{
	good("[headroom]\n"
	     "sources = 10.0.0.1,   # first\n"
	     "    10.0.0.2,\n"
	     "\t10.0.0.3-10.0.0.4\n"
	     "[to 10.0.0.9]\n"
	     "sources = 10.0.1.1,\n"
	     "   # between\n"
	     "   10.0.1.2\n");
	check_number(settings.otherwise.sources.count, 4);
	check_number(settings.rules[0].sources.count, 2);
}

Test(rule_file, an_indented_section_is_a_section)
{
	good("[headroom]\nlog = off\n  [to 10.0.0.9]\nspread = off\n");
	check_number(settings.rule_count, 1);
	good("[to 10.0.0.8]\nspread = off\n  [headroom]\nlog = syslog\n");
	check_number(settings.log_to, LOG_TO_SYSLOG);
}

Test(rule_file, a_section_may_be_longer_than_50_characters)
{
	good("[to [1111:2222:3333:4444:5555:6666:7777:8888]/128:65535 proc=a-program-with-a-long-name]\n"
	     "spread = off\n");
	check_address(&settings.rules[0].to.net, "1111:2222:3333:4444:5555:6666:7777:8888");
	check_number(settings.rules[0].to.bits, 128);
	check_number(settings.rules[0].to.port, 65535);
	check_text(settings.rules[0].to.process, "a-program-with-a-long-name");
	check(settings.rules[0].has_spread);
}

Test(rule_file, there_may_be_thousands_of_rules)
{
	static char text[65536];
	size_t used = 0;
	for (unsigned i = 0; i < 2000; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "[to *:%u]\nshim = %s\n", i + 1,
					 i % 2 ? "on" : "off");
	snprintf(text + used, sizeof(text) - used, "[to *]\nspread = off\n");
	good(text);
	check_number(settings.rule_count, 2001);
	for (unsigned i = 0; i < 2000; i++) {
		check_number(settings.rules[i].to.port, i + 1);
		check_number(settings.rules[i].leave_alone, i % 2 == 0);
	}
	check(settings.rules[2000].has_spread);
}

/* 1 MiB of ranges would be hours of looking each address up, and gigabytes. */
Test(rule_file, all_lists_together_are_bounded)
{
	static char text[65536];
	size_t used = 0;
	for (unsigned i = 0; i < 17; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used,
					 "[to *:%u]\nsources = 10.0.0.0/20\n", i + 1);
	text[used] = '\0';
	check(!parse(text));
	check_text(complaint.place, "rules.conf:34");
	check_contains(complaint.reason, "beyond 65536 addresses");
	settings_default(&settings);
	*strstr(text, "[to *:17]") = '\0';
	good(text);
}

/* The file is read again up to the bad line: the lists before it must not count twice. */
Test(rule_file, a_long_list_before_a_bad_line_is_not_what_is_wrong)
{
	check(!parse(
		"[headroom]\nsources = 10.0.0.0/20\n[to *]\nsources = 10.0.0.0/20\nodd = 1\nspread = odd\n"));
	check_text(complaint.place, "rules.conf:5");
	check_contains(complaint.reason, "`odd` is not a setting");
}

Test(rule_file, a_line_has_room_for_198_bytes)
{
	char text[400] = "[headroom]\nlog = file:/";
	size_t start_of_line = strlen("[headroom]\n");
	memset(text + strlen(text), 'x', 198 - strlen("log = file:/"));
	check_number(strlen(text) - start_of_line, 198);
	good(text);
	check_number(strlen(settings.log_path), 198 - strlen("log = file:"));
	strcat(text, "x");
	check(!parse(text));
	check_text(complaint.place, "rules.conf:2");
	check_contains(complaint.reason, "is longer than 198 bytes");
	strcat(text, "\nlog = off\n");
	check(!parse(text));
	check_text(complaint.place, "rules.conf:2");
}

struct bad_file {
	char text[160], place[24], why[80];
};

ParameterizedTestParameters(rule_file, a_bad_line_is_named_with_its_reason)
{
	static struct bad_file cases[] = {
		{ "log = off\n", "rules.conf:1", "`log` stands before any [section]" },
		{ "\n\n[headroom]\nlog = stdout\n", "rules.conf:4", "`stdout` is none of stderr" },
		{ "[headroom]\nspread = evil\n", "rules.conf:2", "`evil` is none of off even spill sticky" },
		{ "[headroom]\nsources = 10.0.0.1,x\n", "rules.conf:2", "`x` is not an IP address" },
		{ "[headroom]\nsources = 10.0.0.1,\n  x\n", "rules.conf:3", "`x` is not an IP address" },
		{ "[headroom]\nwarn_at = 5,4\n", "rules.conf:2", "rising percentages" },
		{ "[headroom]\nspraed = even\n", "rules.conf:2", "`spraed` is not a setting of [headroom]" },
		{ "[headroom]\nproc = x\n", "rules.conf:2", "`proc` is not a setting of [headroom]" },
		{ "[headroom]\ngarbage\n", "rules.conf:2", "is neither [section] nor NAME = VALUE" },
		{ "[headroom]\ngarbage\nspread = evil\n", "rules.conf:2",
		  "is neither [section] nor NAME = VALUE" },
		{ "[headroom]\nlog = off\n[to 10.0.0.9\n", "rules.conf:3", "without its closing ]" },
		{ "[headroom] x\n", "rules.conf:1", "has something after the section's ]" },
		{ "[global]\n", "rules.conf:1", "`global` is none of the sections [headroom] and [to" },
		{ "[]\n", "rules.conf:1", "is none of the sections" },
		{ "[to]\n", "rules.conf:1", "is none of the sections" },
		{ "[#0]\n", "rules.conf:1", "is none of the sections" },
		{ "[to ]\n", "rules.conf:1", "the section names no destination" },
		{ "[to www.example.org]\n", "rules.conf:1", "`www.example.org` is not ADDRESS" },
		{ "[to 10.0.0.0/33]\n", "rules.conf:1", "prefix length that is not a number of bits" },
		{ "[to fd00::/129]\n", "rules.conf:1", "prefix length that is not a number of bits" },
		{ "[to 10.0.0.9/]\n", "rules.conf:1", "prefix length that is not a number of bits" },
		{ "[to 10.0.0.9:0]\n", "rules.conf:1", "has a port that is not 1 to 65535" },
		{ "[to 10.0.0.9:65536]\n", "rules.conf:1", "has a port that is not 1 to 65535" },
		{ "[to 10.0.0.9:http]\n", "rules.conf:1", "has a port that is not 1 to 65535" },
		{ "[to 10.0.0.9:]\n", "rules.conf:1", "has a port that is not 1 to 65535" },
		{ "[to */8]\n", "rules.conf:1", "has a prefix length after *" },
		{ "[to [fd00::1:443]\n", "rules.conf:1", "is not a destination" },
		{ "[to [fd00::1]443]\n", "rules.conf:1", "is not a destination" },
		{ "[to 10.0.0.9 prog=x]\n", "rules.conf:1", "something else than proc=NAME" },
		{ "[to 10.0.0.9 proc=]\n", "rules.conf:1", "something else than proc=NAME" },
		{ "[to 10.0.0.9]\nspread = evil\n", "rules.conf:2", "`evil` is none of off even spill sticky" },
		{ "[to 10.0.0.9]\nsources = x\n", "rules.conf:2", "`x` is not an IP address" },
		{ "[to 10.0.0.9]\nlog = off\n", "rules.conf:2", "`log` is not a setting of [to ...]" },
		{ "[to 10.0.0.9]\nshim = maybe\n", "rules.conf:2", "`maybe` is none of on off" },
		{ "[to 10.0.0.9]\nexplicit_source = x\n", "rules.conf:2", "`x` is none of keep spread" },
		{ "[to 10.0.0.9]\nproc =\n", "rules.conf:2", "`` is not the name of a program" },
		{ "[headroom]\nlog = off\n[to 10.0.0.9]\n\n\nbad\n", "rules.conf:6", "is neither [section]" },
	};
	return cr_make_param_array(struct bad_file, cases, sizeof(cases) / sizeof(cases[0]));
}

ParameterizedTest(struct bad_file *c, rule_file, a_bad_line_is_named_with_its_reason)
{
	cr_assert(!parse(c->text), "%s", c->text);
	check_text(complaint.place, c->place);
	check_contains(complaint.reason, c->why);
}

Test(rule_file, a_long_bad_section_is_refused_with_its_line)
{
	char text[400] = "[to ";
	memset(text + 4, 'x', 190);
	strcpy(text + 194, "]\n");
	check(!parse(text));
	check_text(complaint.place, "rules.conf:1");
	check_contains(complaint.reason, "is too long for a destination");
	strcpy(text, "[to 10.0.0.9 proc=");
	memset(text + strlen(text), 'p', 64);
	strcpy(text + strlen("[to 10.0.0.9 proc=") + 64, "]\n");
	check(!parse(text));
	check_contains(complaint.reason, "something else than proc=NAME");
}

Test(rule_file, a_zero_byte_is_no_text)
{
	char text[] = "[headroom]\nlog\0 = off\n";
	check(!rule_file_parse(&arena, &settings, text, sizeof(text) - 1, "rules.conf", &complaint));
	check_text(complaint.place, "rules.conf");
	check_contains(complaint.reason, "zero byte");
}

struct good_pattern {
	char text[64], net[40], process[16];
	unsigned bits;
	uint16_t port;
};

ParameterizedTestParameters(rule_file, destinations_are_read)
{
	static struct good_pattern cases[] = {
		{ "10.20.0.0/16:443", "10.20.0.0", "", 112, 443 },
		{ "10.1.2.3", "10.1.2.3", "", 128, 0 },
		{ "10.1.2.3:1", "10.1.2.3", "", 128, 1 },
		{ "0.0.0.0/0", "0.0.0.0", "", 96, 0 },
		{ "fd00::/64", "fd00::", "", 64, 0 },
		{ "fd00::1", "fd00::1", "", 128, 0 },
		{ "::1", "::1", "", 128, 0 },
		{ "[fd00::1]", "fd00::1", "", 128, 0 },
		{ "[fd00::1]:443", "fd00::1", "", 128, 443 },
		{ "[fd00::]/64", "fd00::", "", 64, 0 },
		{ "[fd00::]/64:443", "fd00::", "", 64, 443 },
		{ "[::ffff:10.0.0.9]:80", "10.0.0.9", "", 128, 80 },
		{ "10.0.0.9   proc=my_prog", "10.0.0.9", "my_prog", 128, 0 },
		{ "[fd00::]/64:443 proc=a b", "fd00::", "a b", 64, 443 },
	};
	return cr_make_param_array(struct good_pattern, cases, sizeof(cases) / sizeof(cases[0]));
}

ParameterizedTest(struct good_pattern *c, rule_file, destinations_are_read)
{
	struct pattern pattern;
	char reason[REASON_MAX] = "";
	cr_assert(pattern_parse(c->text, &pattern, reason), "%s", reason);
	check_address(&pattern.net, c->net);
	check_number(pattern.bits, c->bits);
	check_number(pattern.port, c->port);
	check_text(pattern.process, c->process);
	check(!pattern.any_address);
}

/* Files, on a real file system. */

static char directory[] = "/tmp/headroom-unit-XXXXXX", path[64]; /* what is made, and removed again */

static void make_directory(void)
{
	settings_default(&settings);
	limit_time();
	cr_assert(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/rules", directory);
}

static void remove_directory(void)
{
	unlink(path);
	rmdir(directory);
}

TestSuite(rule_file_on_disk, .init = make_directory, .fini = remove_directory);

static void write_rules(const char *text, size_t size)
{
	FILE *file = fopen(path, "w");
	cr_assert(file && fwrite(text, 1, size, file) == size && !fclose(file));
}

static void refused(const char *name, const char *why)
{
	check(!rule_file_read(&arena, &settings, name, &complaint));
	check_text(complaint.place, name);
	check_contains(complaint.reason, why);
}

Test(rule_file_on_disk, a_file_is_read_to_its_end)
{
	write_rules("[to 10.0.0.9]\nspread = off", 26);
	check(rule_file_read(&arena, &settings, path, &complaint));
	check(settings.rules[0].has_spread);
}

Test(rule_file_on_disk, a_bad_line_is_named_with_its_file)
{
	char place[80];
	write_rules("[headroom]\nbad\n", 15);
	check(!rule_file_read(&arena, &settings, path, &complaint));
	snprintf(place, sizeof(place), "%s:2", path);
	check_text(complaint.place, place);
}

Test(rule_file_on_disk, a_missing_file_is_refused)
{
	refused(path, "No such file or directory");
}

Test(rule_file_on_disk, a_directory_is_refused)
{
	refused(directory, "Is a directory");
}

Test(rule_file_on_disk, a_fifo_is_refused_without_waiting_for_a_writer)
{
	check(!mkfifo(path, 0600));
	refused(path, "is not a regular file");
}

Test(rule_file_on_disk, a_device_is_refused)
{
	refused("/dev/zero", "is not a regular file");
}

Test(rule_file_on_disk, a_file_above_1_mib_is_refused)
{
	write_rules("#", 1);
	check(!truncate(path, RULE_FILE_MAX + 1));
	refused(path, "is larger than 1 MiB");
	check(!truncate(path, RULE_FILE_MAX));
	refused(path, "holds a zero byte");
}

Test(rule_file_on_disk, a_zero_byte_is_refused)
{
	write_rules("[headroom]\n\0\n", 13);
	refused(path, "holds a zero byte");
}

/* Files, through the fake kernel. */

static void fake_files(void)
{
	settings_default(&settings);
	fake_start();
	fake_file("rules", "[headroom]\nlog = off\n[to 10.0.0.9]\nsources = 10.0.0.1\nspread = off\n");
}

TestSuite(rule_file_in_fake, .init = fake_files, .fini = fake_stop);

Test(rule_file_in_fake, a_file_that_comes_in_pieces_is_read_whole)
{
	check(rule_file_read(&arena, &settings, "rules", &complaint));
	check(settings.rules[0].has_spread);
	check(fake.calls[CALL_READ] > 2);
	check_number(fake_open_fds(), 0);
}

Test(rule_file_in_fake, an_unreadable_file_is_refused)
{
	fake_fail(CALL_OPENAT, EACCES);
	refused("rules", "Permission denied");
	fake_recover();
	fake_fail_some(CALL_READ, EIO, 1, 1);
	refused("rules", "Input/output error");
	fake_recover();
	fake_fail(CALL_FSTAT, EIO);
	refused("rules", "Input/output error");
	check_number(fake_open_fds(), 0);
}

Test(rule_file_in_fake, an_interrupted_read_is_made_again)
{
	fake_fail_some(CALL_READ, EINTR, 1, 2);
	cr_assert(rule_file_read(&arena, &settings, "rules", &complaint), "%s", complaint.reason);
	check_number(settings.rules[0].sources.count, 1);
}
