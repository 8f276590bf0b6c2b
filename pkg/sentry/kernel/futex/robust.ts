import {
  FUTEX_BITSET_MATCH_ANY,
  FUTEX_OWNER_DIED,
  FUTEX_TID_MASK,
  FUTEX_WAITERS,
  ROBUST_LIST_LIMIT,
} from "../../../abi/linux/futex.ts";
import { LinuxError } from "../../../errors/linuxerr/index.ts";
import { TASK_SIZE_MAX, type Task } from "../task.ts";
import type { FutexManager } from "./futex.ts";

/** Most attempts at a word that guest threads keep changing. */
const MAX_TRIES = 100;

/** Bytes of struct robust_list_head: first entry, offset, pending entry. */
const HEAD_SIZE = 24;

/** Reads a pointer of the list; -1 when it cannot be read. Bit 0 says that the entry is a PI mutex. */
function readPointer(t: Task, buf: Uint8Array, view: DataView, addr: number): number {
  if (addr < 0 || addr > TASK_SIZE_MAX - 8) return -1;
  try {
    if (t.mm.copyIn(addr, buf, 0, 8) !== 8) return -1;
  } catch (e) {
    if (e instanceof LinuxError) return -1;
    throw e;
  }
  return view.getUint32(4, true) * 4294967296 + view.getUint32(0, true);
}

/** Reads struct robust_list_head; false when it cannot be read. */
function readHead(t: Task, buf: Uint8Array, addr: number): boolean {
  if (addr < 0 || addr > TASK_SIZE_MAX - HEAD_SIZE) return false;
  try {
    return t.mm.copyIn(addr, buf, 0, HEAD_SIZE) === HEAD_SIZE;
  } catch (e) {
    if (e instanceof LinuxError) return false;
    throw e;
  }
}

/** Marks one mutex word of a dead owner. False ends the walk. */
function ownerDied(m: FutexManager, t: Task, addr: number, pi: boolean, pending: boolean): boolean {
  if (addr < 0 || addr % 4 !== 0) return false;
  for (let i = 0; i < MAX_TRIES; i++) {
    const cur = t.mm.loadU32(addr);
    if (cur < 0) return false;
    const owner = cur & FUTEX_TID_MASK;
    // The thread died between unlocking the word and waking a waiter.
    if (pending && !pi && owner === 0) {
      m.wake(t, addr, false, 1, FUTEX_BITSET_MATCH_ANY);
      return true;
    }
    if (owner !== t.tid) return true;
    const was = t.mm.casU32(addr, cur, ((cur & FUTEX_WAITERS) | FUTEX_OWNER_DIED) >>> 0);
    if (was < 0) return false;
    if (was !== cur) continue;
    if (!pi && (cur & FUTEX_WAITERS) !== 0) m.wake(t, addr, false, 1, FUTEX_BITSET_MATCH_ANY);
    return true;
  }
  return false;
}

/** What exit does with the list that set_robust_list(2) registered (Documentation/locking/robust-futexes.rst). The list is the guest's: nothing in it is trusted. */
export function walkRobustList(m: FutexManager, t: Task, head: number): void {
  const w = new Uint32Array(new ArrayBuffer(HEAD_SIZE));
  if (!readHead(t, new Uint8Array(w.buffer), head)) return;
  const first = (w[1] ?? 0) * 4294967296 + (w[0] ?? 0);
  // A signed offset from entry to word.
  const offset = ((w[3] ?? 0) | 0) * 4294967296 + (w[2] ?? 0);
  const pending = (w[5] ?? 0) * 4294967296 + (w[4] ?? 0);
  // Nearly always there is nothing in it.
  if (first === head && pending === 0) return;
  const buf = new Uint8Array(8);
  const view = new DataView(buf.buffer);
  const pendingEntry = pending - (pending % 2);
  let raw = first;
  for (let n = 0; n < ROBUST_LIST_LIMIT; n++) {
    const entry = raw - (raw % 2);
    if (entry === head) break;
    // Read the link before the word: its memory may go once a waiter is woken.
    const next = readPointer(t, buf, view, entry);
    if (entry !== pendingEntry && !ownerDied(m, t, entry + offset, raw % 2 === 1, false)) return;
    if (next < 0) break;
    raw = next;
  }
  if (pendingEntry !== 0) ownerDied(m, t, pendingEntry + offset, pending % 2 === 1, true);
}
