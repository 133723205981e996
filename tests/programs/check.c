/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SECONDS_PER_CHECK 120

static char reason[512], notes[512];
static char running[128];
static unsigned int passed, failed;

volatile int check_line;

bool check_reason(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(reason, sizeof(reason), format, arguments);
	va_end(arguments);
	return false;
}

void check_note(const char *format, ...)
{
	size_t used = strlen(notes);
	va_list arguments;

	va_start(arguments, format);
	snprintf(notes + used, sizeof(notes) - used, " ");
	used = strlen(notes);
	vsnprintf(notes + used, sizeof(notes) - used, format, arguments);
	va_end(arguments);
}

static void say(const char *text)
{
	if (write(STDOUT_FILENO, text, strlen(text)) < 0)
		_exit(3);
}

/* snprintf is not for signal handlers. */
static void say_line(void)
{
	char text[32] = " (line ......)\n";
	int rest = check_line;

	for (int i = 12; i > 6; i--) {
		text[i] = rest ? (char)('0' + rest % 10) : ' ';
		rest /= 10;
	}
	say(text);
}

static void died(int signal_number)
{
	say("FAILED ");
	say(running);
	say(signal_number == SIGALRM ? " took too long" : " died of a signal");
	say_line();
	signal(signal_number, SIG_DFL);
	if (signal_number == SIGALRM)
		_exit(1);
	raise(signal_number);
}

static void run_check(const struct check_group *group, const struct check *check)
{
	bool good;

	snprintf(running, sizeof(running), "%s.%s", group->name, check->name);
	snprintf(reason, sizeof(reason), "no reason given");
	notes[0] = '\0';
	check_line = 0;
	alarm(SECONDS_PER_CHECK);
	good = check->run();
	alarm(0);
	if (good) {
		passed++;
		printf("ok %s%s\n", running, notes);
	} else {
		failed++;
		printf("FAILED %s %s\n", running, reason);
	}
	fflush(stdout);
}

static bool wanted(const struct check_group *group, const struct check *check, int argc, char **argv)
{
	char full[128];

	if (argc < 2)
		return !group->on_request;
	snprintf(full, sizeof(full), "%s.%s", group->name, check->name);
	for (int i = 1; i < argc; i++)
		if (!strcmp(argv[i], group->name) || !strcmp(argv[i], full))
			return true;
	return false;
}

static int list(const struct check_group *groups, size_t count)
{
	for (size_t g = 0; g < count; g++)
		for (size_t c = 0; c < groups[g].count; c++)
			printf("%s.%s\n", groups[g].name, groups[g].checks[c].name);
	return 0;
}

int check_run(const char *program, const struct check_group *groups, size_t count, int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc == 2 && !strcmp(argv[1], "--list"))
		return list(groups, count);
	signal(SIGALRM, died);
	signal(SIGSEGV, died);
	signal(SIGBUS, died);
	signal(SIGABRT, died);

	for (size_t g = 0; g < count; g++)
		for (size_t c = 0; c < groups[g].count; c++)
			if (wanted(&groups[g], &groups[g].checks[c], argc, argv))
				run_check(&groups[g], &groups[g].checks[c]);
	if (passed + failed == 0) {
		fprintf(stderr, "%s: no check of that name; groups:", program);
		for (size_t g = 0; g < count; g++)
			fprintf(stderr, " %s", groups[g].name);
		fprintf(stderr, "\n");
		return 2;
	}
	printf("%s: %u passed, %u failed\n", program, passed, failed);
	return failed ? 1 : 0;
}
