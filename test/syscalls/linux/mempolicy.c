/* NUMA memory policies: set_mempolicy(2), get_mempolicy(2), mbind(2), as far as node 0 goes. */
#include "../test.h"
#include <linux/mempolicy.h>
#include <pthread.h>

#define NODES 1025

static long get(int *mode, unsigned long *mask, unsigned long max, void *addr, unsigned long flags)
{
	return syscall(SYS_get_mempolicy, mode, mask, max, addr, flags);
}

static long set(int mode, unsigned long *mask, unsigned long max)
{
	return syscall(SYS_set_mempolicy, mode, mask, max);
}

static long bind_to(void *p, unsigned long len, int mode, unsigned long *mask, unsigned long max, unsigned flags)
{
	return syscall(SYS_mbind, p, len, mode, mask, max, flags);
}

static int mode_now(void)
{
	int mode = -1;
	OK(get(&mode, 0, 0, 0, 0));
	return mode;
}

static int mode_at(void *p)
{
	int mode = -1;
	OK(get(&mode, 0, 0, p, MPOL_F_ADDR));
	return mode;
}

TEST(the_default_policy)
{
	unsigned long mask[16];
	int mode = -1;
	memset(mask, 0xff, sizeof mask);
	OK(get(&mode, mask, NODES, 0, 0));
	EQ(mode, MPOL_DEFAULT);
	for (int i = 0; i < 16; i++)
		EQ(mask[i], 0);
	OK(get(0, 0, 0, 0, 0));
}

TEST(policies_are_kept)
{
	unsigned long one = 1, mask[16];
	int modes[] = {MPOL_PREFERRED, MPOL_BIND, MPOL_INTERLEAVE, MPOL_PREFERRED_MANY, MPOL_INTERLEAVE | MPOL_F_STATIC_NODES,
		       MPOL_BIND | MPOL_F_RELATIVE_NODES};
	for (unsigned i = 0; i < sizeof modes / sizeof *modes; i++) {
		int mode = -1;
		OK(set(modes[i], &one, 64));
		OK(get(&mode, mask, NODES, 0, 0));
		EQ(mode, modes[i]);
		EQ(mask[0], 1);
	}
	/* No nodes: the local one, whichever that is. */
	OK(set(MPOL_PREFERRED, 0, 0));
	EQ(mode_now(), MPOL_LOCAL);
	OK(set(MPOL_LOCAL, 0, 0));
	OK(get(0, mask, NODES, 0, 0));
	EQ(mask[0], 0);
	OK(set(MPOL_DEFAULT, 0, 1));
	EQ(mode_now(), MPOL_DEFAULT);
}

TEST(set_mempolicy_errors)
{
	unsigned long one = 1, none = 0, far[17] = {0};
	ERR(EINVAL, set(7439, &one, 64));
	ERR(EINVAL, set(-1, &one, 64));
	ERR(EINVAL, set(MPOL_DEFAULT, &one, 64));
	ERR(EINVAL, set(MPOL_LOCAL, &one, 64));
	ERR(EINVAL, set(MPOL_BIND | MPOL_F_STATIC_NODES | MPOL_F_RELATIVE_NODES, &one, 64));
	ERR(EINVAL, set(MPOL_INTERLEAVE, &none, 64));
	ERR(EINVAL, set(MPOL_BIND, 0, 0));
	ERR(EINVAL, set(MPOL_PREFERRED | MPOL_F_STATIC_NODES, 0, 0));
	ERR(EINVAL, set(MPOL_INTERLEAVE | MPOL_F_NUMA_BALANCING, &one, 64));
	/* A mask of no length, and one that is too long. */
	ERR(EINVAL, set(MPOL_BIND, &one, 0));
	ERR(EINVAL, set(MPOL_BIND, &one, 32770));
	/* One bit fewer than said counts. */
	ERR(EINVAL, set(MPOL_BIND, &one, 1));
	OK(set(MPOL_BIND, &one, 2));
	far[16] = 1;
	ERR(EINVAL, set(MPOL_BIND, far, 1090));
	ERR(EFAULT, set(MPOL_BIND, (void *)8, 64));
	EQ(mode_now(), MPOL_BIND);
}

TEST(get_mempolicy_errors)
{
	unsigned long mask = 0;
	int mode;
	ERR(EINVAL, get(&mode, 0, 0, 0, 8));
	ERR(EINVAL, get(&mode, &mask, 0, 0, 0));
	ERR(EINVAL, get(&mode, 0, 0, &mode, 0));
	ERR(EINVAL, get(&mode, 0, 0, 0, MPOL_F_NODE));
	ERR(EINVAL, get(0, &mask, 1025, 0, MPOL_F_MEMS_ALLOWED | MPOL_F_NODE));
	ERR(EINVAL, get(0, &mask, 1025, 0, MPOL_F_MEMS_ALLOWED | MPOL_F_ADDR));
	ERR(EFAULT, get(&mode, 0, 0, (void *)-4096, MPOL_F_ADDR));
	ERR(EFAULT, get((int *)8, 0, 0, 0, 0));
	ERR(EFAULT, get(0, (unsigned long *)8, 1025, 0, 0));
}

TEST(nodes_of_memory)
{
	unsigned long mask[16] = {0}, one = 1;
	int node = -1, here = 0;
	OK(get(0, mask, NODES, 0, MPOL_F_MEMS_ALLOWED));
	CHECK(mask[0] & 1);
	OK(get(&node, 0, 0, &here, MPOL_F_ADDR | MPOL_F_NODE));
	CHECK(node >= 0 && (mask[0] >> node & 1));
	/* The node of the next interleaved page. */
	OK(set(MPOL_INTERLEAVE, &one, 64));
	node = -1;
	OK(get(&node, 0, 0, 0, MPOL_F_NODE));
	EQ(node, 0);
}

TEST(mbind_of_mappings)
{
	unsigned long one = 1, mask = 0;
	char *p = OK(mmap(0, 4 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	int mode = -1;
	OK(set(MPOL_PREFERRED, &one, 64));
	EQ(mode_at(p), MPOL_DEFAULT);
	OK(bind_to(p + 4096, 4096, MPOL_BIND, &one, 64, 0));
	EQ(mode_at(p), MPOL_DEFAULT);
	EQ(mode_at(p + 4096), MPOL_BIND);
	EQ(mode_at(p + 2 * 4096), MPOL_DEFAULT);
	OK(get(&mode, &mask, 64, p + 4100, MPOL_F_ADDR));
	EQ(mask, 1);
	/* A part of a page is all of it. */
	OK(bind_to(p, 4097, MPOL_INTERLEAVE, &one, 64, MPOL_MF_STRICT | MPOL_MF_MOVE));
	EQ(mode_at(p + 4096), MPOL_INTERLEAVE);
	OK(bind_to(p, 4 * 4096, MPOL_DEFAULT, 0, 0, 0));
	EQ(mode_at(p + 4096), MPOL_DEFAULT);
	OK(bind_to(p, 0, MPOL_BIND, &one, 64, 0));
	ERR(EINVAL, bind_to(p + 1, 4096, MPOL_BIND, &one, 64, 0));
	ERR(EINVAL, bind_to(p, 4096, MPOL_BIND, &one, 64, 8));
	ERR(EINVAL, bind_to(p, 4096, MPOL_BIND, 0, 0, 0));
	ERR(EINVAL, bind_to(p, -8192ul, MPOL_BIND, &one, 64, 0));
	OK(munmap(p + 2 * 4096, 4096));
	ERR(EFAULT, bind_to(p, 4 * 4096, MPOL_BIND, &one, 64, 0));
	EQ(mode_at(p), MPOL_DEFAULT);
	OK(setgid(1000));
	OK(setuid(1000));
	ERR(EPERM, bind_to(p, 4096, MPOL_BIND, &one, 64, MPOL_MF_MOVE_ALL));
}

static void *thread_mode(void *arg)
{
	unsigned long one = 1;
	*(int *)arg = mode_now();
	OK(set(MPOL_PREFERRED, &one, 64));
	return 0;
}

static void child_mode(void *arg)
{
	EQ(mode_now(), MPOL_BIND);
	EQ(mode_at(arg), MPOL_INTERLEAVE);
}

TEST(policies_are_inherited)
{
	unsigned long one = 1;
	pthread_t t;
	int mode = -1;
	char *p = OK(mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	OK(bind_to(p, 4096, MPOL_INTERLEAVE, &one, 64, 0));
	OK(set(MPOL_BIND, &one, 64));
	EQ(test_in_child(child_mode, p), 0);
	EQ(pthread_create(&t, 0, thread_mode, &mode), 0);
	EQ(pthread_join(t, 0), 0);
	EQ(mode, MPOL_BIND);
	EQ(mode_now(), MPOL_BIND);
}
