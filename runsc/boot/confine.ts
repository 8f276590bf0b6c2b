import { EINTR } from "../../pkg/abi/linux/errno.ts";
import { O_CLOEXEC, O_DIRECTORY } from "../../pkg/abi/linux/file.ts";
import { PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, PR_GET_NO_NEW_PRIVS } from "../../pkg/abi/linux/prctl.ts";
import * as host from "../../pkg/hostsyscall/index.ts";
import { installFilter } from "./filter/index.ts";
import { CONFINED, FD } from "./spec.ts";
import { send } from "./status.ts";

/** Signals that are kept for a command that does not run yet. */
const MAX_EARLY = 64;

/**
 * First thing: no process this one starts inherits a capability. The stubs, which run guest code, have none at all from their exec
 * on: exec gives user 0 nothing (SECBIT_NOROOT), and the ambient set is empty from here on.
 */
export function dropInheritance(): void {
  const r = host.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL);
  if (r < 0) throw new Error(`clearing ambient capabilities: ${r}`);
  const caps = new host.HostCaps();
  if (host.capget(0, caps) < 0) throw new Error("capget failed");
  caps.inheritableLow = 0;
  caps.inheritableHigh = 0;
  if (host.capset(caps) < 0) throw new Error("capset failed");
}

/** Tells the parent that the host's files are no longer needed. */
export function sayLoaded(): void {
  send({ state: "loaded" });
}

/**
 * Waits until the parent has replaced our root; checks that it did. Answers the signals that came before that. Throws when the parent is gone or the
 * root is not empty.
 */
export function waitForRoot(): readonly number[] {
  const byte = new Uint8Array(1);
  const signals: number[] = [];
  for (;;) {
    const n = host.read(FD.control, byte);
    if (n === -EINTR) continue;
    if (n !== 1) throw new Error("boot: the parent is gone");
    const value = byte[0] ?? 0;
    if (value === CONFINED) break;
    if (signals.length < MAX_EARLY) signals.push(value);
  }
  const root = host.open("/", O_DIRECTORY | O_CLOEXEC);
  if (root < 0) throw new Error(`boot: opening the root: ${root}`);
  const entries = new Uint8Array(1024);
  const length = host.getdents64(root, entries);
  host.close(root);
  // "." and "..": two records of 24 bytes.
  if (length !== 48) throw new Error("boot: the root is not empty");
  return signals;
}

/** Confines every thread of this process for good. Guest code may exist after it returns. */
export function confine(): void {
  if (host.prctl(PR_GET_NO_NEW_PRIVS) !== 1) throw new Error("boot: privileges could be gained");
  installFilter();
}
