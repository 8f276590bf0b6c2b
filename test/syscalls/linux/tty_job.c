/* Controlling terminals and job control: credentials(7), tty(4), ioctl_tty(2), tcsetpgrp(3). */
#include "../tty.h"
#include <sys/prctl.h>

static volatile sig_atomic_t seen[65];
static void note(int sig)
{
	seen[sig]++;
}

static void notes(int sig)
{
	struct sigaction sa = {.sa_handler = note};
	OK(sigaction(sig, &sa, 0));
}

/* A child in a process group of its own that does f. */
static pid_t job(struct pty *p, void (*f)(struct pty *))
{
	pid_t pid = OK(fork());
	if (pid == 0) {
		OK(setpgid(0, 0));
		f(p);
		_exit(0);
	}
	if (setpgid(pid, pid) < 0)
		EQ(errno, EACCES);
	return pid;
}

static void sleeps(struct pty *p)
{
	(void)p;
	for (;;)
		pause();
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, 0, 0);
}

static pid_t tty_pgrp(int fd)
{
	pid_t pg = -1;
	OK(ioctl(fd, TIOCGPGRP, &pg));
	return pg;
}

/* Runs f as the leader of a session on a new terminal and waits until it ended well. */
static void in_session(void (*f)(struct pty *))
{
	struct pty p;
	pty_master(&p);
	ENDS_WELL(tty_session(&p, f));
}

static void acquired(struct pty *p)
{
	EQ(tcgetpgrp(p->s), getpid());
	EQ(tcgetsid(p->s), getpid());
	int fd = OK(open("/dev/tty", O_RDWR));
	EQ(tcgetpgrp(fd), getpid());
	/* A second terminal does not replace it. */
	struct pty q;
	pty_master(&q);
	q.s = OK(open(q.name, O_RDWR));
	ERR(ENOTTY, tcgetpgrp(q.s));
	ERR(ENOTTY, tcgetsid(q.s));
}

TEST(a_session_leader_gets_the_terminal_it_opens)
{
	in_session(acquired);
}

static void other_openers(int flags, int leads)
{
	struct pty p;
	pty_master(&p);
	pid_t pid = fork();
	if (pid == 0) {
		OK(setsid());
		if (!leads && fork() != 0) {
			int status;
			OK(wait(&status));
			_exit(status != 0);
		}
		p.s = OK(open(p.name, flags));
		ERR(ENOTTY, tcgetpgrp(p.s));
		ERR(ENXIO, open("/dev/tty", O_RDWR));
		_exit(0);
	}
	ENDS_WELL(pid);
}

TEST(others_do_not_get_it)
{
	other_openers(O_RDWR | O_NOCTTY, 1);
	other_openers(O_WRONLY, 1);
	other_openers(O_RDWR, 0);
}

static void opens_taken(struct pty *p)
{
	pid_t pid = fork();
	if (pid == 0) {
		OK(setsid());
		ERR(ENXIO, open("/dev/tty", O_RDWR));
		int fd = OK(open(p->name, O_RDWR));
		ERR(ENOTTY, tcgetpgrp(fd));
		ERR(EPERM, ioctl(fd, TIOCSCTTY, 5));
		/* Root may take it away. */
		OK(ioctl(fd, TIOCSCTTY, 1));
		EQ(tcgetpgrp(fd), getpid());
		_exit(0);
	}
	ENDS_WELL(pid);
	ERR(ENOTTY, tcgetpgrp(p->s));
	ERR(ENXIO, open("/dev/tty", O_RDWR));
}

TEST(a_terminal_controls_one_session)
{
	in_session(opens_taken);
}

TEST(asking_for_it)
{
	struct pty p;
	pty_pair(&p);
	pid_t pid = fork();
	if (pid == 0) {
		/* No leader. */
		ERR(EPERM, ioctl(p.s, TIOCSCTTY, 0));
		OK(setsid());
		OK(ioctl(p.s, TIOCSCTTY, 0));
		OK(ioctl(p.s, TIOCSCTTY, 0));
		EQ(tcgetpgrp(p.s), getpid());
		struct pty q;
		pty_pair(&q);
		ERR(EPERM, ioctl(q.s, TIOCSCTTY, 0));
		_exit(0);
	}
	ENDS_WELL(pid);
	/* Who may only write needs to be root. */
	pid = fork();
	if (pid == 0) {
		OK(chmod(p.name, 0622));
		tty_become(1000);
		OK(setsid());
		int fd = OK(open(p.name, O_WRONLY | O_NOCTTY));
		ERR(EPERM, ioctl(fd, TIOCSCTTY, 0));
		ERR(EPERM, ioctl(fd, TIOCSCTTY, 1));
		_exit(0);
	}
	ENDS_WELL(pid);
}

TEST(asking_through_the_master)
{
	struct pty p;
	pty_pair(&p);
	pid_t pid = fork();
	if (pid == 0) {
		OK(setsid());
		OK(ioctl(p.m, TIOCSCTTY, 0));
		EQ(tcgetpgrp(p.s), getpid());
		EQ(tty_pgrp(p.m), getpid());
		ERR(ENOTTY, ioctl(p.m, TIOCNOTTY));
		_exit(0);
	}
	ENDS_WELL(pid);
}

static void dev_tty(struct pty *p)
{
	struct stat st;
	char link[60], path[60];
	int fd = OK(open("/dev/tty", O_RDWR | O_NONBLOCK));
	OK(fstat(fd, &st));
	EQ(st.st_rdev, makedev(5, 0));
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	path[OK(readlink(link, path, sizeof path - 1))] = 0;
	EQ(strcmp(path, "/dev/tty"), 0);
	tty_send(fd, "hi");
	EXPECT(p->m, "hi");
	tty_send(p->m, "x\n");
	LINE(fd, "x\n");
	EQ(fcntl(fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
}

TEST(the_name_dev_tty)
{
	in_session(dev_tty);
}

static void gives_up(struct pty *p)
{
	notes(SIGHUP);
	notes(SIGCONT);
	/* A process that does not lead loses it alone. */
	pid_t pid = fork();
	if (pid == 0) {
		OK(ioctl(p->s, TIOCNOTTY));
		ERR(ENXIO, open("/dev/tty", O_RDWR));
		ERR(ENOTTY, ioctl(p->s, TIOCNOTTY));
		_exit(0);
	}
	ENDS_WELL(pid);
	OK(close(OK(open("/dev/tty", O_RDWR))));
	EQ(seen[SIGHUP], 0);
	int pipes[2];
	OK(pipe(pipes));
	pid = fork();
	if (pid == 0) {
		char c;
		OK(close(pipes[1]));
		while (read(pipes[0], &c, 1) != 0)
			;
		/* The leader's giving up took it from all. */
		ERR(ENXIO, open("/dev/tty", O_RDWR));
		_exit(seen[SIGHUP] == 1 && seen[SIGCONT] == 1 ? 0 : 1);
	}
	OK(close(pipes[0]));
	OK(ioctl(p->s, TIOCNOTTY));
	ERR(ENXIO, open("/dev/tty", O_RDWR));
	EQ(seen[SIGHUP], 1);
	EQ(seen[SIGCONT], 1);
	OK(close(pipes[1]));
	ENDS_WELL(pid);
	/* And it is free again. */
	OK(ioctl(p->s, TIOCSCTTY, 0));
}

TEST(giving_it_up)
{
	in_session(gives_up);
}

static void new_session(struct pty *p)
{
	pid_t pid = fork();
	if (pid == 0) {
		OK(close(OK(open("/dev/tty", O_RDWR))));
		OK(setsid());
		ERR(ENXIO, open("/dev/tty", O_RDWR));
		ERR(ENOTTY, tcgetpgrp(p->s));
		_exit(0);
	}
	ENDS_WELL(pid);
}

TEST(a_new_session_has_none)
{
	in_session(new_session);
}

static void changes_groups(struct pty *p)
{
	pid_t own = getpid(), pg = -1;
	EQ(tcgetpgrp(p->s), own);
	pid_t a = job(p, sleeps);
	OK(tcsetpgrp(p->s, a));
	EQ(tcgetpgrp(p->s), a);
	EQ(tty_pgrp(p->m), a);
	OK(ioctl(p->m, TIOCGSID, &pg));
	EQ(pg, own);
	/* Now in the background, one may not change it back unless SIGTTOU is ignored. */
	signal(SIGTTOU, SIG_IGN);
	OK(tcsetpgrp(p->s, own));
	pg = -1;
	ERR(EINVAL, ioctl(p->s, TIOCSPGRP, &pg));
	pg = 4000000;
	ERR(ESRCH, ioctl(p->s, TIOCSPGRP, &pg));
	ERR(EFAULT, ioctl(p->s, TIOCSPGRP, 0));
	ERR(EPERM, tcsetpgrp(p->s, getppid()));
	EQ(tcgetpgrp(p->s), own);
	/* Also through the master. */
	OK(ioctl(p->m, TIOCSPGRP, &a));
	EQ(tcgetpgrp(p->s), a);
	end(a);
	/* A group that is gone stays what it was. */
	EQ(tcgetpgrp(p->s), a);
	OK(tcsetpgrp(p->s, own));
	/* A process that leads no group: then nobody is in the foreground. */
	a = fork();
	if (a == 0)
		sleeps(p);
	OK(tcsetpgrp(p->s, a));
	EQ(tcgetpgrp(p->s), a);
	end(a);
	OK(tcsetpgrp(p->s, own));
	/* Of somebody else's terminal nothing can be said. */
	struct pty q;
	pty_pair(&q);
	ERR(ENOTTY, tcsetpgrp(q.s, own));
	ERR(ENOTTY, tcgetpgrp(q.s));
	EQ(tty_pgrp(q.m), 0);
	ERR(ENOTTY, ioctl(q.m, TIOCGSID, &pg));
	ERR(ENOTTY, tcsetpgrp(q.m, own));
}

TEST(foreground_groups)
{
	in_session(changes_groups);
}

static void reads_a_line(struct pty *p)
{
	LINE(p->s, "for you\n");
}

static void background_reader(struct pty *p)
{
	pid_t a = job(p, reads_a_line);
	tty_send(p->m, "for you\n");
	EQ(tty_wait(a, WUNTRACED), SIGTTIN << 8 | 0x7f);
	OK(tcsetpgrp(p->s, a));
	OK(kill(-a, SIGCONT));
	ENDS_WELL(a);
}

TEST(background_readers_stop)
{
	in_session(background_reader);
}

static void ignores_sigttin(struct pty *p)
{
	char c;
	signal(SIGTTIN, SIG_IGN);
	ERR(EIO, read(p->s, &c, 1));
	signal(SIGTTIN, SIG_DFL);
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGTTIN);
	OK(sigprocmask(SIG_BLOCK, &set, 0));
	ERR(EIO, read(p->s, &c, 1));
	OK(sigpending(&set));
	EQ(sigismember(&set, SIGTTIN), 0);
	/* With a handler the call is interrupted. */
	sigemptyset(&set);
	OK(sigprocmask(SIG_SETMASK, &set, 0));
	notes(SIGTTIN);
	ERR(EINTR, read(p->s, &c, 1));
	EQ(seen[SIGTTIN], 1);
}

static void background_reader_ignores(struct pty *p)
{
	ENDS_WELL(job(p, ignores_sigttin));
}

TEST(background_readers_that_do_not_listen)
{
	in_session(background_reader_ignores);
}

static void writes(struct pty *p)
{
	tty_send(p->s, "out");
}

static void background_writer(struct pty *p)
{
	/* Without TOSTOP anybody writes. */
	ENDS_WELL(job(p, writes));
	EXPECT(p->m, "out");
	tty_flags(p->s, 0, 0, 0, 0, 0, TOSTOP);
	pid_t a = job(p, writes);
	EQ(tty_wait(a, WUNTRACED), SIGTTOU << 8 | 0x7f);
	NOTHING(p->m);
	OK(tcsetpgrp(p->s, a));
	OK(kill(-a, SIGCONT));
	ENDS_WELL(a);
	EXPECT(p->m, "out");
	/* Who ignores it writes. */
	signal(SIGTTOU, SIG_IGN);
	OK(tcsetpgrp(p->s, getpid()));
	ENDS_WELL(job(p, writes));
	EXPECT(p->m, "out");
}

TEST(background_writers_stop_under_tostop)
{
	in_session(background_writer);
}

static void each_change(struct pty *p)
{
	struct termios t;
	int zero = 0;
	pid_t own = getpid();
	OK(tcgetattr(p->s, &t));
	notes(SIGTTOU);
	ERR(EINTR, tcsetattr(p->s, TCSANOW, &t));
	ERR(EINTR, tcflush(p->s, TCIFLUSH));
	ERR(EINTR, tcflow(p->s, TCOON));
	ERR(EINTR, tcsendbreak(p->s, 0));
	ERR(EINTR, tcdrain(p->s));
	ERR(EINTR, tcsetpgrp(p->s, own));
	ERR(EINTR, ioctl(p->s, TIOCSETD, &zero));
	EQ(seen[SIGTTOU], 7);
	/* The window's size is everybody's. */
	struct winsize w = {5, 6, 0, 0};
	OK(ioctl(p->s, TIOCSWINSZ, &w));
	OK(tcgetattr(p->s, &t));
	EQ(tcgetpgrp(p->s), getppid());
	signal(SIGTTOU, SIG_IGN);
	OK(tcsetattr(p->s, TCSANOW, &t));
	OK(tcsetpgrp(p->s, own));
	EQ(tcgetpgrp(p->s), own);
}

static void background_changes(struct pty *p)
{
	ENDS_WELL(job(p, each_change));
}

TEST(background_changes_send_sigttou)
{
	in_session(background_changes);
}

static void orphan(struct pty *p)
{
	int go[2], done[2];
	char c = 'n';
	OK(pipe(go));
	OK(pipe(done));
	pid_t pid = fork();
	if (pid == 0) {
		if (fork() == 0) {
			struct termios t;
			OK(setpgid(0, 0));
			OK(close(go[1]));
			OK(read(go[0], &c, 1));
			/* Its parent is gone: nobody could continue it. */
			ERR(EIO, read(p->s, &c, 1));
			OK(tcgetattr(p->s, &t));
			ERR(EIO, tcsetattr(p->s, TCSANOW, &t));
			ERR(ENOTTY, tcsetpgrp(p->s, getpid()));
			OK(write(done[1], "y", 1));
			_exit(0);
		}
		_exit(0);
	}
	OK(close(go[0]));
	OK(close(done[1]));
	ENDS_WELL(pid);
	usleep(20000);
	OK(close(go[1]));
	OK(read(done[0], &c, 1));
	EQ(c, 'y');
}

TEST(orphaned_groups_get_eio)
{
	in_session(orphan);
}

static void tells_of(int sig, const char *key)
{
	struct pty p;
	pty_master(&p);
	int pipes[2];
	char c;
	OK(pipe(pipes));
	pid_t pid = fork();
	if (pid == 0) {
		OK(setsid());
		p.s = OK(open(p.name, O_RDWR));
		/* The shell is in the background and hears nothing. */
		signal(SIGTTOU, SIG_IGN);
		pid_t a = fork();
		if (a == 0) {
			OK(setpgid(0, 0));
			while (tcgetpgrp(p.s) != getpid())
				usleep(1000);
			OK(write(pipes[1], "r", 1));
			for (;;)
				pause();
		}
		if (setpgid(a, a) < 0)
			EQ(errno, EACCES);
		OK(tcsetpgrp(p.s, a));
		int status = tty_wait(a, WUNTRACED);
		EQ(sig == SIGTSTP ? status : status & 0x7f, sig == SIGTSTP ? (sig << 8 | 0x7f) : sig);
		if (sig == SIGTSTP)
			end(a);
		_exit(0);
	}
	OK(read(pipes[0], &c, 1));
	tty_send(p.m, key);
	ENDS_WELL(pid);
}

TEST(keys_send_signals_to_the_foreground)
{
	tells_of(SIGINT, "\003");
	tells_of(SIGQUIT, "\034");
	tells_of(SIGTSTP, "\032");
}

static void info_of_signals(struct pty *p)
{
	siginfo_t si;
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGWINCH);
	OK(sigprocmask(SIG_BLOCK, &set, 0));
	tty_send(p->m, "\003");
	EQ(OK(sigwaitinfo(&set, &si)), SIGINT);
	EQ(si.si_code, SI_KERNEL);
	EQ(si.si_pid, 0);
	struct winsize w = {10, 20, 0, 0};
	OK(ioctl(p->m, TIOCSWINSZ, &w));
	EQ(OK(sigwaitinfo(&set, &si)), SIGWINCH);
	EQ(si.si_code, SI_KERNEL);
	/* The same size again is no change. */
	struct timespec soon = {0, 30000000};
	OK(ioctl(p->m, TIOCSWINSZ, &w));
	ERR(EAGAIN, sigtimedwait(&set, &si, &soon));
	/* The master's request. */
	OK(ioctl(p->m, TIOCSIG, SIGINT));
	EQ(OK(sigwaitinfo(&set, &si)), SIGINT);
	ERR(EINVAL, ioctl(p->m, TIOCSIG, SIGHUP));
	ERR(ENOTTY, ioctl(p->s, TIOCSIG, SIGINT));
}

TEST(signals_come_from_the_kernel)
{
	in_session(info_of_signals);
}

static void leaves(struct pty *p)
{
	int ready[2];
	char c;
	OK(pipe(ready));
	for (int i = 0; i < 2; i++)
		if (fork() == 0) {
			/* The first in the foreground, the second in a group of its own. */
			notes(SIGHUP);
			notes(SIGCONT);
			if (i)
				OK(setpgid(0, 0));
			OK(close(ready[0]));
			OK(write(ready[1], "x", 1));
			while (open("/dev/tty", O_RDWR) >= 0 || errno != ENXIO)
				usleep(5000);
			usleep(20000);
			dprintf(p->n, "%d%d%d", i, (int)seen[SIGHUP], (int)seen[SIGCONT]);
			_exit(0);
		}
	OK(close(ready[1]));
	OK(read(ready[0], &c, 1));
	OK(read(ready[0], &c, 1));
	usleep(20000);
}

TEST(the_end_of_the_leader_hangs_up_the_foreground)
{
	struct pty p;
	int pipes[2], n = 0;
	char buf[20] = "";
	OK(pipe(pipes));
	pty_master(&p);
	pid_t pid = fork();
	if (pid == 0) {
		OK(setsid());
		p.s = OK(open(p.name, O_RDWR));
		OK(close(pipes[0]));
		p.n = pipes[1];
		leaves(&p);
		_exit(0);
	}
	OK(close(pipes[1]));
	ENDS_WELL(pid);
	for (int k; (k = OK(read(pipes[0], buf + n, sizeof buf - 1 - n))) > 0;)
		n += k;
	/* Only SIGHUP, and only there. */
	CHECK(strcmp(buf, "010100") == 0 || strcmp(buf, "100010") == 0);
	/* The terminal works on. */
	p.s = OK(open(p.name, O_RDWR | O_NOCTTY));
	EQ(tty_pgrp(p.m), 0);
}

static void is_hung_up(struct pty *p)
{
	int go[2];
	notes(SIGHUP);
	notes(SIGCONT);
	OK(pipe(go));
	pid_t a = fork();
	if (a == 0) {
		OK(setpgid(0, 0));
		OK(close(p->m));
		for (int i = 0; i < 400 && !seen[SIGHUP]; i++)
			usleep(5000);
		/* By the leader's end, not by the hangup. */
		_exit(seen[SIGHUP] == 1 && seen[SIGCONT] == 1 && access("ended", F_OK) == 0 ? 0 : 1);
	}
	setpgid(a, a);
	signal(SIGTTOU, SIG_IGN);
	OK(tcsetpgrp(p->s, a));
	OK(prctl(36 /* PR_SET_CHILD_SUBREAPER */, 0));
	OK(close(p->m));
	for (int i = 0; i < 400 && !seen[SIGCONT]; i++)
		usleep(5000);
	EQ(seen[SIGHUP], 1);
	EQ(seen[SIGCONT], 1);
	ERR(ENXIO, open("/dev/tty", O_RDWR));
	ERR(ENOTTY, tcsetpgrp(p->s, a));
	usleep(50000);
	close(OK(open("ended", O_CREAT | O_WRONLY, 0600)));
}

TEST(the_end_of_the_master_tells_the_leader)
{
	struct pty p;
	int status;
	OK(prctl(36, 1));
	pty_master(&p);
	pid_t pid = tty_session(&p, is_hung_up);
	OK(close(p.m));
	ENDS_WELL(pid);
	/* The group that was in the foreground, now our child. */
	OK(wait(&status));
	EQ(status, 0);
}

static void vhangs(struct pty *p)
{
	char c;
	notes(SIGHUP);
	OK(vhangup());
	EQ(seen[SIGHUP], 1);
	EQ(OK(read(p->s, &c, 1)), 0);
	ERR(EIO, write(p->s, "x", 1));
	ERR(ENXIO, open("/dev/tty", O_RDWR));
	/* It can be had again. */
	int fd = OK(open(p->name, O_RDWR));
	EQ(tcgetpgrp(fd), getpid());
}

TEST(vhangup_of_ones_terminal)
{
	in_session(vhangs);
}

static void nobody_vhangs(struct pty *p)
{
	(void)p;
	tty_become(1000);
	ERR(EPERM, vhangup());
}

TEST(vhangup_is_roots)
{
	in_session(nobody_vhangs);
}

static void stat_fields(int *tty_nr, int *tpgid)
{
	char buf[600];
	int fd = OK(open("/proc/self/stat", O_RDONLY));
	buf[OK(read(fd, buf, sizeof buf - 1))] = 0;
	OK(close(fd));
	char *q = strrchr(buf, ')');
	CHECK(q && sscanf(q + 2, "%*c %*d %*d %*d %d %d", tty_nr, tpgid) == 2);
}

static void looks(struct pty *p)
{
	int nr, pg;
	stat_fields(&nr, &pg);
	EQ(nr, makedev(136, p->n));
	EQ(pg, getpid());
	pid_t a = job(p, sleeps);
	OK(tcsetpgrp(p->s, a));
	stat_fields(&nr, &pg);
	EQ(pg, a);
	signal(SIGTTOU, SIG_IGN);
	OK(tcsetpgrp(p->s, getpid()));
	end(a);
	signal(SIGHUP, SIG_IGN);
	OK(ioctl(p->s, TIOCNOTTY));
	stat_fields(&nr, &pg);
	EQ(nr, 0);
	EQ(pg, -1);
}

TEST(proc_stat_names_terminal_and_group)
{
	in_session(looks);
}

static void dead_foreground(struct pty *p)
{
	char c;
	pid_t a = job(p, sleeps);
	OK(tcsetpgrp(p->s, a));
	end(a);
	/* Everybody is in the background now; and the leader's group is orphaned, since its parent is of another session. */
	ERR(EIO, read(p->s, &c, 1));
}

TEST(a_dead_foreground_group_keeps_the_terminal)
{
	in_session(dead_foreground);
}

static void orphan_stop(struct pty *p)
{
	/* SIGTSTP does not stop a group that nobody could continue. */
	tty_send(p->m, "\032");
	usleep(50000);
}

TEST(suspending_an_orphaned_group_does_nothing)
{
	in_session(orphan_stop);
}

static void has_children(struct pty *p)
{
	/* Children have the terminal too, and exec keeps it. */
	pid_t pid = fork();
	if (pid == 0) {
		OK(dup2(p->s, 0));
		execl("/bin/sh", "sh", "-c", "exec 3<>/dev/tty && test -t 3 && test -t 0", NULL);
		_exit(1);
	}
	ENDS_WELL(pid);
}

TEST(children_inherit_it)
{
	in_session(has_children);
}

TEST(sending_and_receiving_descriptors_gives_no_control)
{
	struct pty p;
	pty_pair(&p);
	pid_t pid = fork();
	if (pid == 0) {
		OK(setsid());
		/* It was open before; only opening counts. */
		ERR(ENOTTY, tcgetpgrp(p.s));
		char link[40];
		snprintf(link, sizeof link, "/proc/self/fd/%d", p.s);
		int fd = OK(open(link, O_RDWR));
		EQ(tcgetpgrp(fd), getpid());
		_exit(0);
	}
	ENDS_WELL(pid);
}
