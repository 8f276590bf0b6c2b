/*
 * The control pipe, through which the launcher passes signals on.
 */
#define SYS_write 1

/*
 * Writes signal `sig` to the pipe `fd`: a byte that is its number, plus 0x80 when it is in the set `marked` (bit n: signal n + 1). Answers
 * where to write the next one: -1 when nobody reads any more, since that would be another SIGPIPE.
 */
static i32 control_send(i32 fd, i32 sig, u64 marked) {
  u8 byte = (u8)(sig | ((marked >> (sig - 1) & 1) << 7));
  return raw3(SYS_write, fd, (i64)&byte, 1) < 0 ? -1 : fd;
}
