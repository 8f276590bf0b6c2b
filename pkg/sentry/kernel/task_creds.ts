import type { Credentials } from "./auth/index.ts";
import type { Task } from "./task.ts";

/**
 * Gives a thread new credentials. What it may not keep with other privileges goes: dumpability, the parent-death signal.
 */
export function commitCreds(t: Task, creds: Credentials): void {
  const old = t.creds;
  if (creds === old) return;
  if (creds.changesDumpability(old)) {
    t.mm.dumpable = 0;
    t.parentDeathSignal = 0;
  }
  t.creds = creds;
  if (creds.userNamespace !== old.userNamespace) {
    creds.userNamespace.incRef();
    old.userNamespace.decRef();
  }
}
