/* A hundred processes that sleep and one that wakes up once a second. Prints "up" when they are there. */
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile int ticks;
static void tick(int sig)
{
	(void)sig;
	ticks++;
}

int main(void)
{
	struct itimerval second = {{1, 0}, {1, 0}};
	for (int i = 0; i < 100; i++)
		if (fork() == 0) {
			struct timespec t = {1000, 0};
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			/* Half of them have been busy before. */
			for (int n = 0; n < i % 2 * 2000; n++)
				getppid();
			nanosleep(&t, 0);
			return 0;
		}
	signal(SIGALRM, tick);
	setitimer(ITIMER_REAL, &second, 0);
	while (ticks < 3)
		pause();
	puts("up");
	fflush(stdout);
	for (;;)
		pause();
}
