/* Entries of directories, as getdents64(2) gives them: struct linux_dirent64. */
#define DIRENT_CHR 2

struct dirent64 {
  u64 ino;
  u64 off;
  unsigned short reclen;
  u8 type;
  u8 name[5];
};

/*
 * Takes entries over from src[at, end) to dst, as many as `room` bytes hold and `max` at most, without "." and "..". Their numbers are the low 48
 * bits of the host's in ino_high, their offsets first, first + 1, ...; the host's are noted in offsets. Stops at a character device. out: where in src it
 * stopped, bytes stored, entries passed, and whether for want of room.
 */
void dirents_take(u8 *src, i64 at, i64 end, u8 *dst, i64 room, i64 first, i64 ino_high, u64 *offsets, i64 max, u32 *out) {
  i64 stored = 0;
  i64 n = 0;
  out[3] = 0;
  while (at < end && n < max) {
    struct dirent64 *d = (struct dirent64 *)(src + at);
    i64 reclen = d->reclen;
    i64 i;
    if (d->type == DIRENT_CHR) {
      break;
    }
    if (d->name[0] != '.' || (d->name[1] != 0 && (d->name[1] != '.' || d->name[2] != 0))) {
      u64 *from = (u64 *)d;
      u64 *to = (u64 *)(dst + stored);
      if (stored + reclen > room) {
        out[3] = 1;
        break;
      }
      to[0] = (d->ino & 0xfffffffffffful) + ino_high;
      to[1] = first + n;
      for (i = 2; i < reclen / 8; i++) {
        to[i] = from[i];
      }
      stored += reclen;
    }
    offsets[n++] = d->off;
    at += reclen;
  }
  out[0] = at;
  out[1] = stored;
  out[2] = n;
}
