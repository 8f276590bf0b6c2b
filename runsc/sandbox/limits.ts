import { RLIM_NLIMITS, RLIMIT_NOFILE } from "../../pkg/abi/linux/rlimit.ts";
import * as host from "../../pkg/hostsyscall/index.ts";
import type { SpecLimit } from "../boot/spec.ts";

/** A limit as a specification has it. */
function toSpec(v: number): number | null {
  return Number.isFinite(v) ? v : null;
}

/**
 * The resource limits of our caller (getrlimit(2)), which the command begins with. The JavaScript runtime raised our soft
 * RLIMIT_NOFILE before we could look: that is our parent's, as long as the hard one is the same.
 */
export function callerLimits(): SpecLimit[] {
  const own = new host.HostRlimit();
  const parent = new host.HostRlimit();
  const limits: SpecLimit[] = [];
  for (let i = 0; i < RLIM_NLIMITS; i++) {
    if (host.getrlimit(0, i, own) !== 0) continue;
    if (i === RLIMIT_NOFILE && host.getrlimit(process.ppid, i, parent) === 0 && parent.hard === own.hard) {
      own.soft = parent.soft;
    }
    limits.push({ resource: i, soft: toSpec(own.soft), hard: toSpec(own.hard) });
  }
  return limits;
}
