// SPDX-License-Identifier: Apache-2.0
/* file - the rule file: [headroom] and [to DESTINATION] sections. */
#include "pool/rules/file.h"

#include "pool/base/kernel.h"
#include "pool/libc/error_text.h"

#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* inih allocates its line buffer. The build links it with malloc and free renamed to these two, so that the
 * program's heap is left alone; one file is read at a time, at start. */
static char line_buffer[RULE_LINE_MAX * 4];

void *rule_file_malloc(size_t size);
void *rule_file_realloc(void *block, size_t size);
void rule_file_free(void *block);

void *rule_file_malloc(size_t size)
{
	return size <= sizeof(line_buffer) ? line_buffer : NULL;
}

void *rule_file_realloc(void *block, size_t size)
{
	return size <= sizeof(line_buffer) ? block : NULL;
}

void rule_file_free(void *block)
{
	(void)block;
}

struct reading {
	struct arena *arena;
	struct settings *settings;
	unsigned sources_named;
	char reason[REASON_MAX]; /* of the first error */
};

static bool fail(char *reason, const char *what, const char *text)
{
	snprintf(reason, REASON_MAX, "`%.70s` %s", text, what);
	return false;
}

static bool parse_number(const char *text, unsigned long most, unsigned long *out)
{
	char *end;
	if (*text < '0' || *text > '9' || strlen(text) > 5)
		return false;
	*out = strtoul(text, &end, 10);
	return !*end && *out <= most;
}

/* Splits ADDRESS[/BITS][:PORT] in place; IPv6 with a port or prefix stands in brackets. */
static bool split_destination(char *text, char **address, char **bits, char **port)
{
	char *rest = text;

	*bits = *port = NULL;
	*address = text;
	if (*text == '[') {
		*address = text + 1;
		rest = strchr(text, ']');
		if (!rest)
			return false;
		*rest++ = '\0';
		if (*rest && *rest != '/' && *rest != ':')
			return false;
	} else if (strchr(text, ':') != strrchr(text, ':')) {
		rest = text + strcspn(text, "/"); /* a bare IPv6 address or prefix has no port */
		if (*rest)
			*bits = rest + 1, *rest = '\0';
		return true;
	}
	char *colon = strchr(rest, ':');
	if (colon)
		*port = colon + 1, *colon = '\0';
	char *slash = strchr(rest, '/');
	if (slash)
		*bits = slash + 1, *slash = '\0';
	return true;
}

bool pattern_parse(const char *text, struct pattern *out, char *reason)
{
	char copy[128], *address, *bits_text, *port_text, *process;
	unsigned long bits, port;

	*out = (struct pattern){ 0 };
	if (!*text) {
		snprintf(reason, REASON_MAX, "the section names no destination: [to DESTINATION]");
		return false;
	}
	if (strlen(text) >= sizeof(copy))
		return fail(reason, "is too long for a destination", text);
	strcpy(copy, text);
	process = strchr(copy, ' ');
	if (process) {
		*process++ = '\0';
		process += strspn(process, " ");
		if (strncmp(process, "proc=", 5) || !process[5] || strlen(process + 5) >= PROCESS_NAME_MAX)
			return fail(
				reason,
				"has something else than proc=NAME (without spaces) after the destination",
				text);
		strcpy(out->process, process + 5);
	}
	if (!split_destination(copy, &address, &bits_text, &port_text))
		return fail(reason, "is not a destination", text);
	if (port_text) {
		if (!parse_number(port_text, 65535, &port) || !port)
			return fail(reason, "has a port that is not 1 to 65535", text);
		out->port = (uint16_t)port;
	}
	if (!strcmp(address, "*")) {
		out->any_address = true;
		return bits_text ? fail(reason, "has a prefix length after *", text) : true;
	}
	if (!address_parse(address, strlen(address), &out->net))
		return fail(reason, "is not ADDRESS[/BITS][:PORT], [IPV6][/BITS][:PORT] or *[:PORT]", text);
	unsigned width = address_is_v4(&out->net) ? 32 : 128;
	bits = width;
	if (bits_text && !parse_number(bits_text, width, &bits))
		return fail(reason, "has a prefix length that is not a number of bits", text);
	out->bits = 128 - width + (unsigned)bits;
	return true;
}

static bool add_rule(struct reading *reading, const char *destination, char *reason)
{
	struct settings *s = reading->settings;
	if (s->rule_count == s->rule_room) {
		unsigned room = s->rule_room ? s->rule_room * 2 : 8;
		struct rule *rules = arena_alloc(reading->arena, room * sizeof(*rules));
		if (!rules)
			return fail(reason, "does not fit into memory", destination);
		if (s->rule_count)
			memcpy(rules, s->rules, s->rule_count * sizeof(*rules));
		arena_free(reading->arena, s->rules, s->rule_room * sizeof(*rules));
		s->rules = rules;
		s->rule_room = room;
	}
	s->rules[s->rule_count] = (struct rule){ 0 };
	if (!pattern_parse(destination, &s->rules[s->rule_count].to, reason))
		return false;
	s->rule_count++;
	return true;
}

static bool set_of_rule(struct arena *arena, struct rule *rule, const char *name, const char *value,
			char *reason)
{
	if (!strcmp(name, "sources")) {
		rule->has_sources = true;
		if (!strcmp(value, "none"))
			return true;
		return source_list_extend(arena, &rule->sources, value, reason);
	}
	if (!strcmp(name, "spread")) {
		rule->has_spread = true;
		return parse_spread(value, &rule->spread, reason);
	}
	if (!strcmp(name, "strict"))
		return set_strict(rule, value, reason);
	if (!strcmp(name, "proc")) {
		if (!*value || strlen(value) >= PROCESS_NAME_MAX)
			return fail(reason, "is not the name of a program", value);
		strcpy(rule->to.process, value);
		return true;
	}
	if (!strcmp(name, "shim")) {
		rule->leave_alone = !strcmp(value, "off");
		return rule->leave_alone || !strcmp(value, "on") || fail(reason, "is none of on off", value);
	}
	if (!strcmp(name, "explicit_source")) {
		rule->override_bound_source = !strcmp(value, "spread");
		return rule->override_bound_source || !strcmp(value, "keep") ||
		       fail(reason, "is none of keep spread", value);
	}
	if (reuse_limits_known(name))
		return reuse_limits_set(&rule->reuse, name, value, reason);
	return fail(reason, "is not a setting of [to ...]", name);
}

enum { RULE_DIGITS = 10 + 7 + 26 }; /* '0' to 'Z': none that means something to inih */

static unsigned rule_number(const char *digits)
{
	return (unsigned)(digits[0] - '0') * RULE_DIGITS * RULE_DIGITS +
	       (unsigned)(digits[1] - '0') * RULE_DIGITS + (unsigned)(digits[2] - '0');
}

/* Called by inih for every NAME = VALUE; 0 makes it remember the line as bad (ini.h). */
static int on_value(void *user, const char *section, const char *name, const char *value)
{
	struct reading *reading = user;
	struct settings *s = reading->settings;
	struct rule *rule = section[0] == '#' ? &s->rules[rule_number(section + 1)] : &s->otherwise;
	unsigned named_before = rule->sources.named;
	char reason[REASON_MAX] = "";
	bool good;

	/* inih goes on after a bad line: no more work for a file that is refused. */
	if (*reading->reason)
		return 0;
	if (section[0] == '#')
		good = set_of_rule(reading->arena, rule, name, value, reason);
	else if (!strcmp(section, "headroom"))
		good = settings_set(reading->arena, s, name, value, reason);
	else
		good = fail(reason, "stands before any [section]", name);
	reading->sources_named += rule->sources.named - named_before;
	if (good && reading->sources_named > RULE_SOURCES_MAX)
		good = fail(reason, "takes the rule file beyond 65536 addresses", value);
	if (!good)
		memcpy(reading->reason, reason, sizeof(reason));
	return good;
}

/* inih ends a section name at the first `]` and cuts it at 50 characters, so [to [fd00::]/64:443] would be
 * lost on it: read such a line here, and leave inih the number of the rule as the section's name. */
static bool take_section(struct reading *reading, char *line, char *reason)
{
	size_t room = strlen(line);
	char *name = line + strspn(line, " \t") + 1;
	char *end = strrchr(name, ']');

	if (!end)
		return fail(reason, "is a section without its closing ]", line);
	if (end[1 + strspn(end + 1, " \t\r")])
		return fail(reason, "has something after the section's ]", line);
	*end = '\0';
	if (!strcmp(name, "headroom")) {
		/* To the start of the line: what is indented inih takes for more of the value before. */
		memset(line, ' ', room);
		memcpy(line, "[headroom]", 10);
		return true;
	}
	if (strncmp(name, "to ", 3))
		return fail(reason, "is none of the sections [headroom] and [to DESTINATION]", name);
	if (!add_rule(reading, name + 3 + strspn(name + 3, " "), reason))
		return false;
	/* [#abc], the number in three digits: as long as [to *], the shortest there is. */
	unsigned number = reading->settings->rule_count - 1;
	if (number >= RULE_DIGITS * RULE_DIGITS * RULE_DIGITS)
		return fail(reason, "is one rule too many", name);
	memset(line, ' ', room);
	memcpy(line, "[#...]", 6);
	line[2] = (char)('0' + number / RULE_DIGITS / RULE_DIGITS);
	line[3] = (char)('0' + number / RULE_DIGITS % RULE_DIGITS);
	line[4] = (char)('0' + number % RULE_DIGITS);
	return true;
}

/* Blanks a comment that starts with # after white space: inih knows ; only. */
static void strip_comment(char *line)
{
	for (char *c = line; (c = strchr(c, '#')); c++)
		if (c == line || c[-1] == ' ' || c[-1] == '\t') {
			memset(c, ' ', strlen(c));
			return;
		}
}

static bool complain(struct complaint *complaint, const char *name, unsigned line, const char *reason)
{
	if (line)
		snprintf(complaint->place, sizeof(complaint->place), "%.*s:%u", SETTING_PATH_MAX - 1, name,
			 line);
	else
		snprintf(complaint->place, sizeof(complaint->place), "%s", name);
	snprintf(complaint->reason, sizeof(complaint->reason), "%s", reason);
	return false;
}

/* For a second reading. */
static void forget_sources(struct reading *reading)
{
	struct settings *s = reading->settings;

	for (unsigned i = 0; i < s->rule_count; i++)
		s->rules[i].sources = (struct source_list){ 0 };
	s->otherwise.sources = (struct source_list){ 0 };
	reading->sources_named = 0;
}

static void cut_after_line(char *text, int number)
{
	while (number-- && (text = strchr(text, '\n')))
		text++;
	if (text)
		*text = '\0';
}

/* A list may be given in several lines: only at the end is it known whether something is left of it. */
static bool all_complete(const struct settings *settings, const char *name, struct complaint *complaint)
{
	char reason[REASON_MAX], whole[REASON_MAX];

	if (!source_list_complete(&settings->otherwise.sources, reason))
		return complain(complaint, name, 0, reason);
	for (unsigned i = 0; i < settings->rule_count; i++) {
		if (source_list_complete(&settings->rules[i].sources, reason))
			continue;
		snprintf(whole, sizeof(whole), "%.120s ([to ...] number %u)", reason, i + 1);
		return complain(complaint, name, 0, whole);
	}
	return true;
}

bool rule_file_parse(struct arena *arena, struct settings *settings, char *text, size_t length,
		     const char *name, struct complaint *complaint)
{
	struct reading reading = { .arena = arena, .settings = settings };
	unsigned number = 0;
	char *next;

	if (strlen(text) != length)
		return complain(complaint, name, 0, "holds a zero byte: not a text file");
	for (char *line = text; line; line = next) {
		number++;
		next = strchr(line, '\n');
		if (next)
			*next = '\0';
		if (strlen(line) >= RULE_LINE_MAX)
			return complain(complaint, name, number,
					"is longer than 198 bytes: give `sources` in several lines");
		strip_comment(line);
		bool good = line[strspn(line, " \t")] != '[' || take_section(&reading, line, reading.reason);
		if (!good)
			return complain(complaint, name, number, reading.reason);
		if (next)
			*next++ = '\n';
	}
	int bad_line = ini_parse_string(text, on_value, &reading);
	if (bad_line > 0) {
		/* The reason may be of a later line: read again, up to the bad one. */
		cut_after_line(text, bad_line);
		*reading.reason = '\0';
		forget_sources(&reading);
		ini_parse_string(text, on_value, &reading);
	}
	if (bad_line < 0)
		return complain(complaint, name, 0, "does not fit into memory");
	if (bad_line > 0)
		return complain(complaint, name, (unsigned)bad_line,
				*reading.reason ? reading.reason : "is neither [section] nor NAME = VALUE");
	return all_complete(settings, name, complaint);
}

/* Opens without waiting for a writer, as a FIFO would, and takes nothing but a regular file. */
static long open_regular(const char *path, size_t *size)
{
	struct stat st;
	long fd = kernel_private_fd(
		kernel.openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0));
	if (fd < 0)
		return fd;
	long rc = kernel.fstat((int)fd, &st);
	if (!rc && !S_ISREG(st.st_mode))
		rc = S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
	if (!rc && st.st_size > RULE_FILE_MAX)
		rc = -EFBIG;
	if (rc) {
		kernel.close((int)fd);
		return rc;
	}
	*size = (size_t)st.st_size;
	return fd;
}

bool rule_file_read(struct arena *arena, struct settings *settings, const char *path,
		    struct complaint *complaint)
{
	size_t size = 0, used = 0;
	long fd = open_regular(path, &size), got = 0;
	int interrupted = 0;

	if (fd == -EINVAL)
		return complain(complaint, path, 0, "is not a regular file");
	if (fd == -EFBIG)
		return complain(complaint, path, 0, "is larger than 1 MiB");
	if (fd < 0)
		return complain(complaint, path, 0, error_text((int)-fd));
	char *text = arena_alloc(arena, size + 1);
	while (text && used < size) {
		got = kernel.read((int)fd, text + used, size - used);
		if (got == -EINTR && interrupted++ < KERNEL_EINTR_MAX)
			continue;
		if (got <= 0)
			break;
		used += (size_t)got;
	}
	kernel.close((int)fd);
	if (!text || got < 0)
		return complain(complaint, path, 0, error_text(text ? (int)-got : ENOMEM));
	bool good = rule_file_parse(arena, settings, text, used, path, complaint);
	arena_free(arena, text, size + 1);
	return good;
}
