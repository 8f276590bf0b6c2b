/* The line discipline of terminals, input and echo: termios(3). */
#include "../tty.h"

/* A pair without echo. */
static void quiet(struct pty *p)
{
	pty_pair(p);
	tty_flags(p->s, 0, 0, 0, 0, ECHO, 0);
	OK(fcntl(p->s, F_SETFL, O_NONBLOCK));
}

TEST(lines_are_read_one_at_a_time)
{
	struct pty p;
	char c;
	quiet(&p);
	tty_send(p.m, "no line yet");
	NOTHING(p.s);
	ERR(EAGAIN, read(p.s, &c, 1));
	tty_send(p.m, "\nsecond\nthird");
	LINE(p.s, "no line yet\n");
	LINE_N(p.s, 3, "sec");
	LINE_N(p.s, 3, "ond");
	LINE(p.s, "\n");
	NOTHING(p.s);
	tty_send(p.m, "\n\n");
	LINE(p.s, "third\n");
	LINE(p.s, "\n");
	ERR(EAGAIN, read(p.s, &c, 1));
}

TEST(end_of_file)
{
	struct pty p;
	char c;
	quiet(&p);
	tty_send(p.m, "\004");
	LINE(p.s, "");
	ERR(EAGAIN, read(p.s, &c, 1));
	/* Behind text it only ends the line. */
	tty_send(p.m, "abc\004");
	LINE(p.s, "abc");
	ERR(EAGAIN, read(p.s, &c, 1));
	/* Even when the buffer is full just there. */
	tty_send(p.m, "abc\004");
	LINE_N(p.s, 3, "abc");
	ERR(EAGAIN, read(p.s, &c, 1));
	tty_send(p.m, "abc\004\004d\n");
	LINE_N(p.s, 2, "ab");
	LINE_N(p.s, 8, "c");
	LINE(p.s, "");
	LINE(p.s, "d\n");
	tty_send(p.m, "abc\n\004");
	LINE_N(p.s, 4, "abc\n");
	LINE(p.s, "");
	tty_cc(p.s, VEOF, _POSIX_VDISABLE);
	tty_send(p.m, "\004\n");
	LINE(p.s, "\004\n");
}

TEST(other_line_ends)
{
	struct pty p;
	quiet(&p);
	tty_cc(p.s, VEOL, ';');
	tty_cc(p.s, VEOL2, '!');
	tty_send(p.m, "a;b!c\n");
	LINE(p.s, "a;");
	LINE(p.s, "b!");
	LINE(p.s, "c\n");
	tty_flags(p.s, 0, 0, 0, 0, IEXTEN, 0);
	tty_send(p.m, "b!c\n");
	LINE(p.s, "b!c\n");
}

TEST(erasing_characters)
{
	struct pty p;
	pty_pair(&p);
	tty_send(p.m, "ab\177c\n");
	EXPECT(p.m, "ab\b \bc\r\n");
	LINE(p.s, "ac\n");
	/* Nothing is erased before the line. */
	tty_send(p.m, "\177\177x\177\177y\n");
	EXPECT(p.m, "x\b \by\r\n");
	LINE(p.s, "y\n");
	tty_flags(p.s, 0, 0, 0, 0, ECHOE, 0);
	tty_send(p.m, "ab\177c\n");
	EXPECT(p.m, "ab^?c\r\n");
	LINE(p.s, "ac\n");
}

TEST(erasing_words)
{
	struct pty p;
	pty_pair(&p);
	tty_send(p.m, "one two.  \027x\027\n");
	EXPECT(p.m, "one two.  \b \b\b \b\b \b\b \b\b \b\b \bx\b \b\r\n");
	LINE(p.s, "one \n");
	tty_send(p.m, "a_1+b_2\027\n");
	EXPECT(p.m, "a_1+b_2\b \b\b \b\b \b\r\n");
	LINE(p.s, "a_1+\n");
	tty_flags(p.s, 0, 0, 0, 0, IEXTEN, 0);
	tty_send(p.m, "a\027\n");
	EXPECT(p.m, "a^W\r\n");
	LINE(p.s, "a\027\n");
}

TEST(killing_lines)
{
	struct pty p;
	pty_pair(&p);
	tty_send(p.m, "abc\025d\n");
	EXPECT(p.m, "abc\b \b\b \b\b \bd\r\n");
	LINE(p.s, "d\n");
	tty_flags(p.s, 0, 0, 0, 0, ECHOKE, 0);
	tty_send(p.m, "abc\025d\n");
	EXPECT(p.m, "abc^U\r\nd\r\n");
	LINE(p.s, "d\n");
	tty_flags(p.s, 0, 0, 0, 0, ECHOK, 0);
	tty_send(p.m, "abc\025d\n");
	EXPECT(p.m, "abc^Ud\r\n");
	LINE(p.s, "d\n");
}

TEST(erasing_without_echo)
{
	struct pty p;
	quiet(&p);
	tty_send(p.m, "abc\177\025de fg\027h\n");
	LINE(p.s, "de h\n");
	NOTHING(p.m);
}

TEST(erasing_control_characters_and_tabs)
{
	struct pty p;
	pty_pair(&p);
	tty_send(p.m, "a\001\177b\n");
	EXPECT(p.m, "a^A\b \b\b \bb\r\n");
	LINE(p.s, "ab\n");
	tty_send(p.m, "ab\t\177c\n");
	EXPECT(p.m, "ab\t\b\b\b\b\b\bc\r\n");
	LINE(p.s, "abc\n");
	/* The line begins in the middle of the screen's. */
	tty_send(p.s, "$ ");
	tty_send(p.m, "abc\t\t\177\177d\n");
	EXPECT(p.m, "$ abc\t\t\b\b\b\b\b\b\b\b\b\b\bd\r\n");
	LINE(p.s, "abcd\n");
	tty_flags(p.s, 0, 0, 0, 0, ECHOCTL, 0);
	tty_send(p.m, "a\001\177b\n");
	EXPECT(p.m, "a\001b\r\n");
	LINE(p.s, "ab\n");
}

TEST(erasing_utf8)
{
	struct pty p;
	pty_pair(&p);
	tty_send(p.m, "\303\244\177\n");
	EXPECT(p.m, "\303\244\b \b\r\n");
	LINE(p.s, "\303\n");
	tty_flags(p.s, 0, IUTF8, 0, 0, 0, 0);
	tty_send(p.m, "x\303\244\342\202\254\177\177\n");
	EXPECT(p.m, "x\303\244\342\202\254\b \b\b \b\r\n");
	LINE(p.s, "x\n");
	/* Columns are characters. */
	tty_send(p.m, "\303\244\t\177\n");
	EXPECT(p.m, "\303\244\t\b\b\b\b\b\b\b\r\n");
	LINE(p.s, "\303\244\n");
}

TEST(echoprt_shows_what_is_erased)
{
	struct pty p;
	pty_pair(&p);
	tty_flags(p.s, 0, 0, 0, 0, 0, ECHOPRT);
	tty_send(p.m, "abc\177\177d\n");
	EXPECT(p.m, "abc\\cb/d\r\n");
	LINE(p.s, "ad\n");
	tty_send(p.m, "ab\025x\n");
	EXPECT(p.m, "ab\\ba/x\r\n");
	LINE(p.s, "x\n");
}

TEST(echo_of_control_characters)
{
	struct pty p;
	pty_pair(&p);
	tty_flags(p.s, 0, 0, 0, 0, ISIG, 0);
	tty_flags(p.s, IXON, 0, 0, 0, 0, 0);
	tty_send(p.m, "\001\003\033\035\t\377\200x\n");
	EXPECT(p.m, "^A^C^[^]\t\377\200x\r\n");
	LINE(p.s, "\001\003\033\035\t\377\200x\n");
	/* An end of file is not echoed. */
	tty_send(p.m, "a\004");
	EXPECT(p.m, "a");
	LINE(p.s, "a");
}

TEST(echo_of_newlines_only)
{
	struct pty p;
	quiet(&p);
	tty_flags(p.s, 0, 0, 0, 0, 0, ECHONL);
	tty_send(p.m, "secret\n");
	EXPECT(p.m, "\r\n");
	LINE(p.s, "secret\n");
}

TEST(echo_in_raw_mode)
{
	struct pty p;
	pty_pair(&p);
	tty_raw(p.s, 1, 0);
	tty_flags(p.s, 0, 0, 0, 0, ECHOCTL, ECHO);
	tty_send(p.m, "a\001\r\n\177");
	EXPECT(p.m, "a\001\r\n\177");
	EXPECT(p.s, "a\001\r\n\177");
	tty_flags(p.s, 0, 0, 0, 0, 0, ECHOCTL);
	tty_send(p.m, "\001");
	EXPECT(p.m, "^A");
}

TEST(literal_next)
{
	struct pty p;
	pty_pair(&p);
	tty_send(p.m, "a\026\003\026\177\026\026\n");
	EXPECT(p.m, "a^\b^C^\b^?^\b^V\r\n");
	LINE(p.s, "a\003\177\026\n");
	/* Split between two writes. */
	tty_send(p.m, "b\026");
	EXPECT(p.m, "b^\b");
	tty_send(p.m, "\n");
	EXPECT(p.m, "^J");
	NOTHING(p.s);
	tty_send(p.m, "\n");
	LINE(p.s, "b\n\n");
	EXPECT(p.m, "\r\n");
	tty_flags(p.s, 0, 0, 0, 0, IEXTEN, 0);
	tty_send(p.m, "c\026d\n");
	LINE(p.s, "c\026d\n");
}

TEST(reprint)
{
	struct pty p;
	pty_pair(&p);
	tty_send(p.m, "ab\001\022c\n");
	EXPECT(p.m, "ab^A^R\r\nab^Ac\r\n");
	LINE(p.s, "ab\001c\n");
	tty_flags(p.s, 0, 0, 0, 0, ECHO, 0);
	tty_send(p.m, "a\022\n");
	LINE(p.s, "a\022\n");
}

TEST(carriage_returns_and_newlines)
{
	struct pty p;
	pty_pair(&p);
	tty_send(p.m, "a\r");
	EXPECT(p.m, "a\r\n");
	LINE(p.s, "a\n");
	tty_flags(p.s, ICRNL, IGNCR, 0, 0, ECHO, 0);
	tty_send(p.m, "a\rb\n");
	LINE(p.s, "ab\n");
	tty_flags(p.s, 0, ICRNL, 0, 0, 0, 0);
	tty_send(p.m, "a\rb\n");
	LINE(p.s, "ab\n");
	tty_flags(p.s, IGNCR | ICRNL, INLCR, 0, 0, 0, 0);
	tty_send(p.m, "a\nb\004");
	LINE(p.s, "a\rb");
	tty_flags(p.s, INLCR, 0, 0, 0, 0, 0);
	tty_send(p.m, "a\rb\n");
	LINE(p.s, "a\rb\n");
	/* Also in raw mode. */
	tty_raw(p.s, 1, 0);
	tty_flags(p.s, 0, INLCR | ICRNL, 0, 0, 0, 0);
	tty_send(p.m, "\r\n");
	EXPECT(p.s, "\n\r");
}

TEST(stripping_and_lower_case)
{
	struct pty p;
	pty_pair(&p);
	tty_raw(p.s, 1, 0);
	tty_flags(p.s, 0, ISTRIP, 0, 0, 0, 0);
	tty_send(p.m, "\341\341b");
	EXPECT(p.s, "aab");
	tty_flags(p.s, ISTRIP, IUCLC, 0, 0, 0, 0);
	tty_send(p.m, "AbC\304");
	EXPECT(p.s, "AbC\304");
	tty_flags(p.s, 0, 0, 0, 0, 0, IEXTEN);
	tty_send(p.m, "AbC\304Z[");
	EXPECT(p.s, "abc\344z[");
}

TEST(parity_marks_double_255)
{
	struct pty p;
	pty_pair(&p);
	tty_raw(p.s, 1, 0);
	tty_flags(p.s, 0, PARMRK, 0, 0, 0, 0);
	tty_send(p.m, "a\377b");
	EXPECT(p.s, "a\377\377b");
}

TEST(long_lines_are_cut)
{
	struct pty p;
	char buf[6000];
	quiet(&p);
	memset(buf, 'x', sizeof buf);
	for (int i = 0; i < 5000; i += 500)
		tty_send_n(p.m, buf, 500);
	tty_send(p.m, "\177yz\n");
	EQ(tty_poll(p.s, POLLIN), POLLIN);
	usleep(50000);
	EQ(OK(read(p.s, buf, sizeof buf)), 4096);
	EQ(buf[4093], 'x');
	EQ(buf[4094], 'y');
	EQ(buf[4095], '\n');
	NOTHING(p.s);
	/* And the terminal works as ever. */
	tty_send(p.m, "next\n");
	LINE(p.s, "next\n");
}

TEST(complete_lines_are_kept_whatever_follows)
{
	struct pty p;
	char buf[6000];
	quiet(&p);
	OK(fcntl(p.m, F_SETFL, O_NONBLOCK));
	memset(buf, 'x', sizeof buf);
	buf[99] = '\n';
	for (int i = 0; i < 60; i++)
		tty_send_n(p.m, buf, 100);
	for (int i = 0; i < 60; i++) {
		EQ(tty_poll(p.s, POLLIN), POLLIN);
		EQ(OK(read(p.s, buf, sizeof buf)), 100);
	}
	NOTHING(p.s);
}

TEST(canonical_mode_off_gives_what_was_typed)
{
	struct pty p;
	quiet(&p);
	tty_send(p.m, "partial");
	NOTHING(p.s);
	tty_flags(p.s, 0, 0, 0, 0, ICANON, 0);
	LINE(p.s, "partial");
	/* On again: what is there counts as a line, but not as one that has ended. */
	tty_send(p.m, "abc");
	EQ(tty_poll(p.s, POLLIN), POLLIN);
	tty_flags(p.s, 0, 0, 0, 0, 0, ICANON);
	EQ(tty_ready(p.s, POLLIN), POLLIN);
	LINE_N(p.s, 2, "ab");
	tty_send(p.m, "d\n");
	LINE(p.s, "c");
	LINE(p.s, "d\n");
}

TEST(vmin)
{
	struct pty p;
	char buf[200];
	int status;
	pty_pair(&p);
	tty_raw(p.s, 3, 0);
	tty_send(p.m, "ab");
	EQ(tty_ready(p.s, POLLIN), 0);
	/* Who does not wait takes what there is. */
	OK(fcntl(p.s, F_SETFL, O_NONBLOCK));
	EQ(OK(read(p.s, buf, 10)), 2);
	ERR(EAGAIN, read(p.s, buf, 10));
	OK(fcntl(p.s, F_SETFL, 0));
	tty_send(p.m, "ab");
	pid_t pid = fork();
	if (pid == 0) {
		EQ(OK(read(p.s, buf, 10)), 4);
		EQ(memcmp(buf, "abcd", 4), 0);
		_exit(0);
	}
	usleep(100000);
	EQ(waitpid(pid, &status, WNOHANG), 0);
	tty_send(p.m, "cd");
	EQ(OK(waitpid(pid, &status, 0)), pid);
	EQ(status, 0);
	/* No more than was asked for. */
	tty_send(p.m, "xy");
	EQ(OK(read(p.s, buf, 2)), 2);
	tty_send(p.m, "xyz");
	EQ(tty_ready(p.s, POLLIN), POLLIN);
	EQ(OK(read(p.s, buf, 2)), 2);
	/* More than Linux reads in one piece is one piece. */
	tty_raw(p.s, 100, 0);
	memset(buf, 'x', sizeof buf);
	tty_send_n(p.m, buf, 75);
	usleep(50000);
	EQ(OK(read(p.s, buf, sizeof buf)), 64);
}

static long ms(void)
{
	struct timespec t;
	OK(clock_gettime(CLOCK_MONOTONIC, &t));
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

TEST(vtime_without_vmin)
{
	struct pty p;
	char buf[10];
	long start;
	pty_pair(&p);
	tty_raw(p.s, 0, 0);
	start = ms();
	EQ(OK(read(p.s, buf, 10)), 0);
	CHECK(ms() - start < 80);
	/* Also for those who do not wait. */
	OK(fcntl(p.s, F_SETFL, O_NONBLOCK));
	EQ(OK(read(p.s, buf, 10)), 0);
	tty_raw(p.s, 0, 2);
	ERR(EAGAIN, read(p.s, buf, 10));
	OK(fcntl(p.s, F_SETFL, 0));
	start = ms();
	EQ(OK(read(p.s, buf, 10)), 0);
	CHECK(ms() - start >= 190 && ms() - start < 1000);
	if (fork() == 0) {
		usleep(50000);
		tty_send(p.m, "ab");
		_exit(0);
	}
	tty_raw(p.s, 0, 20);
	start = ms();
	EQ(OK(read(p.s, buf, 10)), 2);
	CHECK(ms() - start < 1500);
	EQ(tty_ready(p.s, POLLIN), 0);
	tty_send(p.m, "x");
	EQ(tty_ready(p.s, POLLIN), POLLIN);
}

TEST(vtime_between_characters)
{
	struct pty p;
	char buf[10];
	long start;
	pty_pair(&p);
	tty_raw(p.s, 5, 2);
	tty_send(p.m, "ab");
	EQ(tty_poll(p.s, POLLIN), POLLIN);
	start = ms();
	EQ(OK(read(p.s, buf, 10)), 2);
	CHECK(ms() - start >= 190 && ms() - start < 1000);
	/* The time begins with the first character, and anew with each. */
	if (fork() == 0) {
		for (int i = 0; i < 3; i++) {
			usleep(130000);
			tty_send(p.m, "x");
		}
		_exit(0);
	}
	tty_raw(p.s, 5, 4);
	start = ms();
	EQ(OK(read(p.s, buf, 10)), 3);
	CHECK(ms() - start >= 700 && ms() - start < 2000);
	/* Enough ends the wait. */
	tty_send(p.m, "abcde");
	start = ms();
	EQ(OK(read(p.s, buf, 10)), 5);
	CHECK(ms() - start < 300);
}

static void ignore_it(int sig)
{
	(void)sig;
}

TEST(a_signal_gives_what_is_there)
{
	struct pty p;
	struct sigaction sa = {.sa_handler = ignore_it};
	char buf[10];
	pty_pair(&p);
	tty_raw(p.s, 5, 0);
	OK(sigaction(SIGALRM, &sa, 0));
	tty_send(p.m, "ab");
	alarm(1);
	EQ(OK(read(p.s, buf, 10)), 2);
	alarm(1);
	ERR(EINTR, read(p.s, buf, 10));
}

TEST(stop_and_start)
{
	struct pty p;
	pty_pair(&p);
	OK(fcntl(p.s, F_SETFL, O_NONBLOCK));
	tty_send(p.m, "\023");
	NOTHING(p.m);
	EQ(tty_ready(p.s, POLLOUT), 0);
	ERR(EAGAIN, write(p.s, "x", 1));
	/* Echoes wait too. */
	tty_send(p.m, "ab");
	NOTHING(p.m);
	tty_send(p.m, "\021");
	EXPECT(p.m, "ab");
	tty_send(p.s, "x");
	EXPECT(p.m, "x");
	/* Other characters do not start output, unless IXANY. */
	tty_flags(p.s, 0, IXANY, 0, 0, ECHO, 0);
	tty_send(p.m, "\023");
	usleep(20000);
	ERR(EAGAIN, write(p.s, "x", 1));
	tty_send(p.m, "c");
	EQ(tty_poll(p.s, POLLOUT), POLLOUT);
	tty_send(p.s, "y");
	EXPECT(p.m, "y");
	/* Without IXON they are characters. */
	tty_send(p.m, "\023");
	usleep(20000);
	ERR(EAGAIN, write(p.s, "x", 1));
	tty_flags(p.s, IXON, 0, 0, 0, 0, 0);
	tty_send(p.s, "z");
	EXPECT(p.m, "z");
	tty_send(p.m, "\023\021\n");
	LINE(p.s, "abc\023\021\n");
}

TEST(signal_characters_are_eaten)
{
	struct pty p;
	pty_pair(&p);
	tty_send(p.m, "abc\003d\n");
	EXPECT(p.m, "^Cd\r\n");
	LINE(p.s, "d\n");
	tty_send(p.m, "abc\034d\n");
	EXPECT(p.m, "^\\d\r\n");
	LINE(p.s, "d\n");
	tty_send(p.m, "abc\032d\n");
	EXPECT(p.m, "^Zd\r\n");
	LINE(p.s, "d\n");
	tty_flags(p.s, 0, 0, 0, 0, 0, NOFLSH);
	tty_send(p.m, "abc\003d\n");
	EXPECT(p.m, "abc^Cd\r\n");
	LINE(p.s, "abcd\n");
	tty_flags(p.s, 0, 0, 0, 0, ISIG, 0);
	tty_send(p.m, "a\003\n");
	LINE(p.s, "a\003\n");
}

TEST(external_processing)
{
	struct pty p;
	quiet(&p);
	tty_flags(p.s, 0, 0, 0, 0, 0, EXTPROC | ECHO);
	tty_send(p.m, "a\003\177\n");
	EXPECT(p.s, "a\003\177\n");
	NOTHING(p.m);
	tty_send(p.m, "\004");
	LINE(p.s, "");
	tty_send(p.m, "x\004");
	usleep(20000);
	EXPECT_N(p.s, "x\004", 2);
}

TEST(readers_of_one_terminal_share_its_input)
{
	struct pty p;
	int status;
	char buf[20];
	pty_pair(&p);
	for (int i = 0; i < 3; i++)
		if (fork() == 0) {
			EQ(OK(read(p.s, buf, sizeof buf)), 4);
			EQ(memcmp(buf, "one\n", 4), 0);
			_exit(0);
		}
	usleep(50000);
	for (int i = 0; i < 3; i++)
		tty_send(p.m, "one\n");
	for (int i = 0; i < 3; i++) {
		OK(wait(&status));
		EQ(status, 0);
	}
}

TEST(simulated_input)
{
	struct pty p;
	int status;
	pty_pair(&p);
	const char *s = "ls\n";
	for (int i = 0; i < 3; i++)
		OK(ioctl(p.s, TIOCSTI, s + i));
	LINE(p.s, "ls\n");
	EXPECT(p.m, "ls\r\n");
	ERR(EFAULT, ioctl(p.s, TIOCSTI, 0));
	pid_t pid = fork();
	if (pid == 0) {
		tty_become(1000);
		CHECK(ioctl(p.s, TIOCSTI, s) == -1);
		CHECK(errno == EPERM || errno == EIO);
		_exit(0);
	}
	EQ(OK(waitpid(pid, &status, 0)), pid);
	EQ(status, 0);
}
