/*
 * Sleeps that begin while the sentry is about to stop looking for calls: after a burst of calls and a while without any, which differs from round to
 * round. Nothing else in the sandbox sleeps: a sleep that is overlooked lasts for ever. Takes the number of rounds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Calls of a burst; the time without any, in ns, is between these. */
#define BURST 24
#define SILENCE_MIN 40000L
#define SILENCE_MAX 300000L

static long now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000L + t.tv_nsec;
}

int main(int argc, char **argv)
{
	const struct timespec nap = {0, 1000};
	long rounds = argc > 1 ? atol(argv[1]) : 0;
	for (long i = 0; i < rounds; i++) {
		for (int k = 0; k < BURST; k++)
			if (syscall(SYS_getppid) < 0)
				return 1;
		if (nanosleep(&nap, 0) < 0)
			return 2;
		long end = now() + SILENCE_MIN + i * 7919 % (SILENCE_MAX - SILENCE_MIN);
		while (now() < end)
			;
		if (nanosleep(&nap, 0) < 0)
			return 3;
	}
	puts("rested");
	return 0;
}
