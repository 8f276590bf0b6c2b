/* Sentry side of the patched-site measurement: waits until the doorbell of one of n request lines changes, at most `spins` rounds. */
typedef long i64;
typedef unsigned int u32;

/* Lines are 64 bytes: word 0 request sequence, word 1 answer sequence. Returns the index of a line with an unanswered request, or -1. */
i64 spin_wait(volatile u32 *lines, i64 n, i64 spins)
{
	i64 s, i;
	for (s = 0; s < spins; s++) {
		for (i = 0; i < n; i++)
			if (lines[i * 16] != lines[i * 16 + 1])
				return i;
		__asm__ volatile("pause");
	}
	return -1;
}

/* Answers line i. */
i64 spin_answer(volatile u32 *lines, i64 i)
{
	lines[i * 16 + 1] = lines[i * 16];
	return 0;
}
