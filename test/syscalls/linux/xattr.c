/* Extended attributes of the user name space, on what the temporary directory lies on. */
#include "../test.h"
#include <sys/xattr.h>

static int file(void)
{
	int fd = OK(open("f", O_RDWR | O_CREAT, 0600));
	if (fsetxattr(fd, "user.probe", "", 0, 0) < 0 && errno == EOPNOTSUPP)
		SKIP("no extended attributes here");
	OK(fremovexattr(fd, "user.probe"));
	return fd;
}

TEST(set_get_and_remove)
{
	char buf[64] = "";
	int fd = file();
	OK(setxattr("f", "user.a", "value", 5, 0));
	EQ(getxattr("f", "user.a", buf, sizeof buf), 5);
	EQ(strcmp(buf, "value"), 0);
	EQ(fgetxattr(fd, "user.a", 0, 0), 5);
	OK(fsetxattr(fd, "user.a", "longer value", 12, 0));
	EQ(getxattr("f", "user.a", buf, sizeof buf), 12);
	OK(setxattr("f", "user.empty", "", 0, 0));
	EQ(getxattr("f", "user.empty", buf, sizeof buf), 0);
	OK(removexattr("f", "user.a"));
	ERR(ENODATA, getxattr("f", "user.a", buf, sizeof buf));
	ERR(ENODATA, removexattr("f", "user.a"));
	OK(fremovexattr(fd, "user.empty"));
}

TEST(create_and_replace)
{
	file();
	ERR(ENODATA, setxattr("f", "user.a", "1", 1, XATTR_REPLACE));
	OK(setxattr("f", "user.a", "1", 1, XATTR_CREATE));
	ERR(EEXIST, setxattr("f", "user.a", "2", 1, XATTR_CREATE));
	OK(setxattr("f", "user.a", "2", 1, XATTR_REPLACE));
	ERR(EINVAL, setxattr("f", "user.a", "2", 1, 4));
}

TEST(listing)
{
	char buf[256];
	int fd = file(), seen = 0;
	EQ(listxattr("f", 0, 0), 0);
	OK(setxattr("f", "user.one", "1", 1, 0));
	OK(setxattr("f", "user.two", "2", 1, 0));
	EQ(listxattr("f", 0, 0), 18);
	EQ(flistxattr(fd, buf, sizeof buf), 18);
	for (char *p = buf; p < buf + 18; p += strlen(p) + 1)
		seen |= !strcmp(p, "user.one") ? 1 : !strcmp(p, "user.two") ? 2 : 4;
	EQ(seen, 3);
	ERR(ERANGE, listxattr("f", buf, 17));
}

TEST(xattr_errors)
{
	char buf[8], name[300];
	file();
	OK(setxattr("f", "user.a", "12345", 5, 0));
	ERR(ERANGE, getxattr("f", "user.a", buf, 4));
	ERR(ENOENT, getxattr("none", "user.a", buf, 8));
	ERR(ENOENT, setxattr("none", "user.a", buf, 8, 0));
	ERR(ENOENT, listxattr("none", buf, 8));
	ERR(ENOTDIR, getxattr("f/x", "user.a", buf, 8));
	ERR(EBADF, fgetxattr(999, "user.a", buf, 8));
	ERR(EBADF, fsetxattr(OK(open("f", O_PATH)), "user.a", buf, 8, 0));
	ERR(EFAULT, getxattr("f", (char *)1, buf, 8));
	ERR(EFAULT, getxattr((char *)1, "user.a", buf, 8));
	ERR(EFAULT, setxattr("f", "user.a", (void *)1, 8, 0));
	ERR(EFAULT, getxattr("f", "user.a", (void *)1, 8));
	ERR(ERANGE, getxattr("f", "", buf, 8));
	ERR(EOPNOTSUPP, setxattr("f", "nonsense", buf, 8, 0));
	ERR(EOPNOTSUPP, getxattr("f", "nonsense.a", buf, 8));
	ERR(EINVAL, setxattr("f", "user.", buf, 8, 0));
	ERR(E2BIG, setxattr("f", "user.a", buf, 65537, 0));
	memset(name, 'x', sizeof name);
	memcpy(name, "user.", 5);
	name[256] = 0;
	ERR(ERANGE, setxattr("f", name, "1", 1, 0));
	name[255] = 0;
	OK(setxattr("f", name, "1", 1, 0));
}

TEST(symbolic_links)
{
	char buf[8];
	file();
	OK(symlink("f", "l"));
	OK(setxattr("l", "user.a", "1", 1, 0));
	EQ(getxattr("f", "user.a", buf, 8), 1);
	/* The user name space is for files and directories only. */
	ERR(EPERM, lsetxattr("l", "user.a", "1", 1, 0));
	ERR(ENODATA, lgetxattr("l", "user.a", buf, 8));
	EQ(llistxattr("l", buf, 8), 0);
	OK(mkdir("d", 0755));
	OK(setxattr("d", "user.a", "1", 1, 0));
	OK(mkfifo("p", 0600));
	ERR(EPERM, setxattr("p", "user.a", "1", 1, 0));
}

TEST(permissions_of_attributes)
{
	char buf[8];
	file();
	OK(setxattr("f", "user.a", "1", 1, 0));
	OK(chmod(".", 0755));
	OK(chmod("f", 0644));
	OK(setresuid(65534, 65534, 65534));
	EQ(getxattr("f", "user.a", buf, 8), 1);
	ERR(EACCES, setxattr("f", "user.a", "2", 1, 0));
	ERR(EACCES, removexattr("f", "user.a"));
	EQ(listxattr("f", 0, 0), 7);
	ERR(EPERM, setxattr("f", "trusted.a", "1", 1, 0));
	ERR(ENODATA, getxattr("f", "trusted.a", buf, 8));
}

TEST(attributes_go_with_the_file)
{
	char buf[8];
	file();
	OK(setxattr("f", "user.a", "7", 1, 0));
	OK(rename("f", "g"));
	EQ(getxattr("g", "user.a", buf, 8), 1);
	OK(link("g", "h"));
	OK(setxattr("h", "user.b", "8", 1, 0));
	EQ(getxattr("g", "user.b", buf, 8), 1);
	OK(unlink("g"));
	OK(close(OK(open("g", O_RDWR | O_CREAT, 0600))));
	ERR(ENODATA, getxattr("g", "user.a", buf, 8));
}
