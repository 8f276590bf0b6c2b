import * as errno from "../../../abi/linux/errno.ts";
import { GRND_INSECURE, GRND_NONBLOCK, GRND_RANDOM } from "../../../abi/linux/random.ts";
import { LinuxError } from "../../../errors/linuxerr/index.ts";
import * as host from "../../../hostsyscall/index.ts";
import {
  type SyscallArguments,
  type SyscallGenerator,
  type SyscallResult,
  WAKE_INTERRUPT,
} from "../../kernel/syscalls.ts";
import { MAX_RW_COUNT, TASK_SIZE_MAX, type Task } from "../../kernel/task.ts";

/** Bytes generated and copied at once, and before others get a turn. */
const CHUNK = 4096;
const SLICE = 262144;

/** Fills [addr, addr+n), n <= CHUNK, with random bytes; returns how many, or -EFAULT. */
function fill(t: Task, addr: number, n: number): number {
  const buf = t.kernel.scratch;
  if (host.getrandom(buf, 0, n) !== n) return -errno.EAGAIN;
  try {
    return t.mm.copyOut(addr, buf, 0, n);
  } catch (e) {
    if (e instanceof LinuxError) return -e.errno;
    throw e;
  }
}

/** getrandom(2). The host's generator is ready long before any guest runs: it never blocks. */
export function getrandom(t: Task, args: SyscallArguments): SyscallResult {
  const addr = args.u64(0);
  const flags = args.u32(2);
  let n = args.u64(1);
  if ((flags & ~(GRND_NONBLOCK | GRND_RANDOM | GRND_INSECURE)) !== 0) return -errno.EINVAL;
  if ((flags & (GRND_INSECURE | GRND_RANDOM)) === (GRND_INSECURE | GRND_RANDOM)) return -errno.EINVAL;
  if (n > MAX_RW_COUNT) n = MAX_RW_COUNT;
  if (addr + n > TASK_SIZE_MAX) return -errno.EFAULT;
  return n <= CHUNK ? fill(t, addr, n) : fillLong(t, addr, n);
}

function* fillLong(t: Task, addr: number, total: number): SyscallGenerator {
  let done = 0;
  while (done < total) {
    const n = Math.min(CHUNK, total - done);
    const r = fill(t, addr + done, n);
    if (r < 0) return done > 0 ? done : r;
    done += r;
    if (r < n) return done;
    if (done < total && done % SLICE === 0) {
      if ((yield t.reschedule()) === WAKE_INTERRUPT || t.hasPendingSignal()) return done;
    }
  }
  return done;
}
