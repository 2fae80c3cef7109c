// SPDX-License-Identifier: Apache-2.0
/* findings - what `headroom doctor` has found, a line each. */
#ifndef HEADROOM_CLI_DOCTOR_FINDINGS_H
#define HEADROOM_CLI_DOCTOR_FINDINGS_H

#include <stdbool.h>
#include <stdio.h>

enum { FINDING_TEXT_MAX = 512, FINDING_TODO_MAX = 256 };

/* From good to bad news; unknown: it cannot be told from here. */
enum finding_level { FINDING_OK, FINDING_NOTE, FINDING_UNKNOWN, FINDING_BAD };

struct finding {
	enum finding_level level;
	const char *about; /* a word: program, shim, attach, ... */
	char text[FINDING_TEXT_MAX], todo[FINDING_TODO_MAX];
};

/* All zero at first. */
struct findings {
	struct finding *items;
	unsigned count, room;
};

/**
 * finding_add() - one more
 * @about:	kept
 * @todo:	what to do; NULL: nothing
 */
void finding_add(struct findings *findings, enum finding_level level, const char *about, const char *todo,
		 const char *format, ...) __attribute__((format(printf, 5, 6)));

/**
 * findings_todo() - what to do about the finding that was added last
 */
void findings_todo(struct findings *findings, const char *format, ...) __attribute__((format(printf, 2, 3)));

/**
 * findings_status() - STATUS_BAD_NEWS if any is bad, else STATUS_UNKNOWN if any is unknown, else STATUS_FINE
 */
int findings_status(const struct findings *findings);

/**
 * findings_put() / findings_json() - write them
 * @subject:	what was looked at
 */
void findings_put(const struct findings *findings, const char *subject, FILE *out);
void findings_json(const struct findings *findings, const char *subject, FILE *out);

/**
 * findings_end() - give memory back
 */
void findings_end(struct findings *findings);

#endif
