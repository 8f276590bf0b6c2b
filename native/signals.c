/*
 * Signals that become bytes in a pipe, without JavaScript between: what is sent while the runtime gives way to another program is not lost.
 */
#define SA_RESTART 0x10000000ul

static i32 signals_fd;
static u64 signals_marked;

static void signals_handler(i32 sig) {
  signals_fd = control_send(signals_fd, sig, signals_marked);
}

/* From now on each signal of the set `mask` (bit n: signal n + 1) is written to the control pipe `fd`, see control_send. */
i64 signals_forward(i32 fd, i64 mask, i64 marked) {
  struct ksigaction sa;
  i32 i;
  signals_fd = fd;
  signals_marked = marked;
  sa.handler = (u64)&signals_handler;
  sa.flags = SA_RESTART | SA_ONSTACK | SA_RESTORER;
  sa.restorer = (u64)&safe_restorer;
  sa.mask = 0;
  for (i = 0; i < 64; i++) {
    if ((u64)mask >> i & 1) {
      i64 r = raw6(SYS_rt_sigaction, i + 1, (i64)&sa, 0, 8, 0, 0);
      if (r < 0) {
        return r;
      }
    }
  }
  return 0;
}
