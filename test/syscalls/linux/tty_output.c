/* The line discipline of terminals, output: c_oflag of termios(3). */
#include "../tty.h"

static void with(struct pty *p, int oflags)
{
	pty_pair(p);
	tty_flags(p->s, 0, 0, ~0, OPOST | oflags, ECHO, 0);
}

TEST(without_opost_nothing_changes)
{
	struct pty p;
	char all[256];
	for (int i = 0; i < 256; i++)
		all[i] = i;
	pty_pair(&p);
	tty_flags(p.s, 0, 0, ~0, ONLCR | OLCUC | OCRNL | XTABS, 0, 0);
	tty_send_n(p.s, all, 256);
	EXPECT_N(p.m, all, 256);
}

TEST(newlines)
{
	struct pty p;
	with(&p, 0);
	tty_send(p.s, "a\nb\r\n");
	EXPECT(p.m, "a\nb\r\n");
	with(&p, ONLCR);
	tty_send(p.s, "a\nb\r\n\n");
	EXPECT(p.m, "a\r\nb\r\r\n\r\n");
}

TEST(carriage_returns)
{
	struct pty p;
	with(&p, OCRNL);
	tty_send(p.s, "a\rb\n");
	EXPECT(p.m, "a\nb\n");
	with(&p, ONOCR);
	tty_send(p.s, "\ra\r\rb\b\r");
	EXPECT(p.m, "a\rb\b");
	/* With ONLRET a newline returns. */
	with(&p, ONOCR | ONLRET);
	tty_send(p.s, "a\n\rb\r");
	EXPECT(p.m, "a\nb\r");
	with(&p, ONOCR);
	tty_send(p.s, "a\n\rb");
	EXPECT(p.m, "a\n\rb");
	with(&p, OCRNL | ONLRET | XTABS);
	tty_send(p.s, "abc\r\t|");
	EXPECT(p.m, "abc\n        |");
	with(&p, OCRNL | XTABS);
	tty_send(p.s, "abc\r\t|");
	EXPECT(p.m, "abc\n     |");
}

TEST(tabs_become_spaces)
{
	struct pty p;
	with(&p, XTABS);
	tty_send(p.s, "\t|a\tb\r\tc\n12345678\t|");
	EXPECT(p.m, "        |a      b\r        c\n12345678       |");
	with(&p, XTABS);
	tty_send(p.s, "ab\b\t|\001\t|\177\t|");
	EXPECT(p.m, "ab\b       |\001       |\177       |");
	with(&p, XTABS | ONLCR);
	tty_send(p.s, "ab\n\t|");
	EXPECT(p.m, "ab\r\n        |");
	/* A newline alone does not return. */
	with(&p, XTABS);
	tty_send(p.s, "ab\n\t|");
	EXPECT(p.m, "ab\n      |");
}

TEST(columns_of_utf8)
{
	struct pty p;
	with(&p, XTABS);
	tty_send(p.s, "\303\244\303\244\t|");
	EXPECT(p.m, "\303\244\303\244    |");
	with(&p, XTABS);
	tty_flags(p.s, 0, IUTF8, 0, 0, 0, 0);
	tty_send(p.s, "\303\244\303\244\t|");
	EXPECT(p.m, "\303\244\303\244      |");
}

TEST(capitals)
{
	struct pty p;
	with(&p, OLCUC);
	tty_send(p.s, "aBc1\344\377[");
	EXPECT(p.m, "ABC1\304\337[");
}

TEST(delays_are_none)
{
	struct pty p;
	with(&p, NLDLY | CRDLY | TAB2 | BSDLY | VTDLY | FFDLY | OFILL | OFDEL);
	tty_send(p.s, "a\n\r\b\v\f\tb");
	EXPECT(p.m, "a\n\r\b\v\f\tb");
}

TEST(echoes_are_output)
{
	struct pty p;
	pty_pair(&p);
	tty_flags(p.s, 0, 0, ~0, OPOST | ONLCR | XTABS | OLCUC, 0, 0);
	tty_send(p.m, "a\tb\n");
	EXPECT(p.m, "A       B\r\n");
	/* Without OPOST as they are. */
	tty_flags(p.s, 0, 0, OPOST, 0, 0, 0);
	tty_send(p.m, "a\n");
	EXPECT(p.m, "a\n");
}

TEST(output_of_any_length)
{
	struct pty p;
	char *big = malloc(100000), *got = malloc(200100);
	int status, n, total = 0, k = 0;
	pty_pair(&p);
	for (int i = 0; i < 100000; i++)
		big[i] = i % 7 == 3 ? '\n' : 'a' + i % 26;
	pid_t pid = fork();
	if (pid == 0) {
		OK(close(p.m));
		EQ(OK(write(p.s, big, 100000)), 100000);
		_exit(0);
	}
	OK(close(p.s));
	while ((n = read(p.m, got + total, 200000 - total)) > 0)
		total += n;
	EQ(errno, EIO);
	for (int i = 0; i < 100000; i++) {
		if (big[i] == '\n')
			EQ(got[k++], '\r');
		EQ(got[k++], big[i]);
	}
	EQ(k, total);
	EQ(OK(waitpid(pid, &status, 0)), pid);
	EQ(status, 0);
}
