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
