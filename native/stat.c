/* Attributes of files. */

/* struct stat of fstat(2), as 64-bit words. */
#define STAT_WORDS 18

static void host_device(u32 *out, u64 dev) {
  out[0] = dev >> 8 & 0xfff;
  out[1] = (dev & 0xff) | (dev >> 12 & 0xfff00);
}

/* fstat(2) into the form of statx(2), of which the time of birth and the mount are missing. 0 or a negative errno. */
i64 host_fstat(i32 fd, u32 *out) {
  u64 st[STAT_WORDS];
  u64 *words = (u64 *)out;
  i64 r;
  host_count++;
  r = raw3(5, fd, (i64)st, 0);
  if (r < 0) {
    return r;
  }
  out[0] = 0x7ff; /* STATX_BASIC_STATS */
  out[1] = st[7];
  words[1] = 0;
  out[4] = st[2];
  out[5] = st[3] >> 32;
  out[6] = st[4];
  out[7] = st[3] & 0xffff;
  words[4] = st[1];
  words[5] = st[6];
  words[6] = st[8];
  words[7] = 0;
  words[8] = st[9];
  out[18] = st[10];
  words[12] = st[13];
  out[26] = st[14];
  words[14] = st[11];
  out[30] = st[12];
  host_device(out + 32, st[5]);
  host_device(out + 34, st[0]);
  return 0;
}

/*
 * Whether a struct statx says the same as these values: all that is kept of it but numbers, which stay, and the time of birth, which does, too.
 */
i64 stat_is(u32 *st, i64 blksize, i64 nlink, i64 uid, i64 gid, i64 mode, i64 size, i64 blocks, i64 asec, i64 ansec, i64 csec, i64 cnsec, i64 msec,
            i64 mnsec) {
  i64 *words = (i64 *)st;
  return st[1] == blksize && st[4] == nlink && st[5] == uid && st[6] == gid && (st[7] & 0xffff) == mode && words[5] == size && words[6] == blocks &&
         words[8] == asec && st[18] == ansec && words[12] == csec && st[26] == cnsec && words[14] == msec && st[30] == mnsec;
}

/* Puts a struct stat at an address that may fault. Returns the number of bytes not stored. */
i64 stat_store(u8 *to, i64 dev, i64 ino, i64 nlink, i64 mode, i64 uid, i64 gid, i64 rdev, i64 size, i64 blksize, i64 blocks, i64 asec, i64 ansec,
               i64 msec, i64 mnsec, i64 csec, i64 cnsec) {
  u64 st[STAT_WORDS];
  st[0] = dev;
  st[1] = ino;
  st[2] = nlink;
  st[3] = mode | uid << 32;
  st[4] = gid;
  st[5] = rdev;
  st[6] = size;
  st[7] = blksize;
  st[8] = blocks;
  st[9] = asec;
  st[10] = ansec;
  st[11] = msec;
  st[12] = mnsec;
  st[13] = csec;
  st[14] = cnsec;
  st[15] = 0;
  st[16] = 0;
  st[17] = 0;
  return safe_copy(to, (u8 *)st, sizeof(st));
}
