/*
 * Raw system calls. Freestanding: no libc, no errno; a result is >= 0 or a negative errno.
 */
typedef long i64;
typedef unsigned long u64;
typedef int i32;
typedef unsigned int u32;
typedef unsigned char u8;

static inline i64 raw6(i64 nr, i64 a, i64 b, i64 c, i64 d, i64 e, i64 f) {
  i64 ret;
  register i64 r10 __asm__("r10") = d;
  register i64 r8 __asm__("r8") = e;
  register i64 r9 __asm__("r9") = f;
  __asm__ volatile("syscall"
                   : "=a"(ret)
                   : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return ret;
}

static inline i64 raw3(i64 nr, i64 a, i64 b, i64 c) {
  i64 ret;
  __asm__ volatile("syscall" : "=a"(ret) : "a"(nr), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
  return ret;
}

/* Host calls made through here, for tests that count them. */
static i64 host_count;

i64 host_calls(void) { return host_count; }

i64 host_sys3(i32 nr, i64 a, i64 b, i64 c) {
  host_count++;
  return raw3(nr, a, b, c);
}

i64 host_sys6(i32 nr, i64 a, i64 b, i64 c, i64 d, i64 e, i64 f) {
  host_count++;
  return raw6(nr, a, b, c, d, e, f);
}
