/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Named checks and their report on standard output, one line each:
 *   ok GROUP.NAME [NOTES]
 *   FAILED GROUP.NAME reason
 *   info KEY VALUE          what may differ from one GPU to the next
 * The output holds no addresses and no times, so that the outputs of a native
 * and of a virtual run can be compared line by line (without the info lines).
 */
#ifndef CHECK_H
#define CHECK_H

#include <stdbool.h>
#include <stddef.h>

struct check {
	const char *name;
	bool (*run)(void);	/* false after check_reason() */
};

struct check_group {
	const char *name;
	const struct check *checks;
	size_t count;
	bool on_request;	/* runs only when named on the command line */
};

/*
 * Runs the groups named in argv[1..] ("memory", or one check as "memory.pinned"),
 * or without names all that are not on_request. A check that takes longer than
 * 120 s or dies of a signal counts as failed and ends the program. Returns the
 * exit status: 0, 1 when a check failed, 2 for a name that does not exist. With
 * --list alone it prints the name of every check instead, one on a line.
 */
int check_run(const char *program, const struct check_group *groups, size_t count, int argc, char **argv);

/* Keeps why the running check fails; returns false. */
bool check_reason(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Adds to the running check's ok line what a native and a virtual run must have in common, such as a code. */
void check_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The line of the check that runs: where a check that dies has come to. */
extern volatile int check_line;

#define RESULT(expected, call)                                                                                    \
	do {                                                                                                      \
		check_line = __LINE__;                                                                            \
		int result_ = (int)(call);                                                                        \
		if (result_ != (expected))                                                                        \
			return check_reason("%s: result %d, expected %d (line %d)", #call, result_, (expected),   \
					    __LINE__);                                                            \
	} while (0)

#define DO(call) RESULT(0, call)

/* Must fail; the code becomes a note, for where the driver's documentation leaves it open. */
#define CODE(call)                                                                                                \
	do {                                                                                                      \
		check_line = __LINE__;                                                                            \
		int result_ = (int)(call);                                                                        \
		if (!result_)                                                                                     \
			return check_reason("%s: succeeded (line %d)", #call, __LINE__);                          \
		check_note("%d", result_);                                                                        \
	} while (0)

#define THAT(condition)                                                                                           \
	do {                                                                                                      \
		check_line = __LINE__;                                                                            \
		if (!(condition))                                                                                 \
			return check_reason("not so: %s (line %d)", #condition, __LINE__);                        \
	} while (0)

#define GROUP(name, checks) { (name), (checks), sizeof(checks) / sizeof((checks)[0]), false }
#define GROUP_ON_REQUEST(name, checks) { (name), (checks), sizeof(checks) / sizeof((checks)[0]), true }

#endif
