/* SPDX-License-Identifier: Apache-2.0 */
/* LD_PRELOAD=crash.so PROGRAM: where a program that dies of a signal was, on stderr, library and offset a line. */
#include <execinfo.h>
#include <signal.h>
#include <stddef.h>
#include <unistd.h>

static void tell(int number, siginfo_t *info, void *context)
{
	static const char title[] = "crash: backtrace of the thread that got the signal\n";
	void *frames[64];

	(void)info;
	(void)context;
	if (write(STDERR_FILENO, title, sizeof(title) - 1) < 0)
		_exit(128 + number);
	backtrace_symbols_fd(frames, backtrace(frames, 64), STDERR_FILENO);
	signal(number, SIG_DFL);	/* the instruction is tried again and ends the program */
}

__attribute__((constructor)) static void watch(void)
{
	struct sigaction action = { .sa_sigaction = tell, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	static const int numbers[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT };
	void *frame;

	backtrace(&frame, 1);	/* loads what it needs, which must not happen in the handler */
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		sigaction(numbers[i], &action, NULL);
}
