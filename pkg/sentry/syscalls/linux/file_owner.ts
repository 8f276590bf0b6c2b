import { CAP_KILL } from "../../../abi/linux/capability.ts";
import * as errno from "../../../abi/linux/errno.ts";
import { F_OWNER_PGRP, F_OWNER_PID, F_OWNER_TID, O_ASYNC, SIZEOF_F_OWNER_EX } from "../../../abi/linux/file.ts";
import { SIGIO, SIGURG } from "../../../abi/linux/signal.ts";
import { stateType } from "../../../state/index.ts";
import {
  Entry,
  EventErr,
  EventHUp,
  EventIn,
  type EventListener,
  EventOut,
  EventPri,
  EventRdNorm,
  EventWrNorm,
} from "../../../waiter/index.ts";
import { SignalInfo } from "../../arch/signal_info.ts";
import type { Credentials } from "../../kernel/auth/index.ts";
import { ProcessGroup } from "../../kernel/sessions.ts";
import { Task } from "../../kernel/task.ts";
import { ThreadGroup } from "../../kernel/thread_group.ts";
import { FileAsync, type FileDescription } from "../../vfs/index.ts";

/** si_code of SIGIO: POLL_IN, POLL_OUT, POLL_MSG, POLL_ERR, POLL_PRI, POLL_HUP are 1 to 6. */
const POLL_CODES: readonly (readonly [number, number])[] = [
  [EventHUp, 6],
  [EventErr, 4],
  [EventPri, 5],
  [EventIn | EventRdNorm, 1],
  [EventOut | EventWrNorm, 2],
];
const ALL_EVENTS = EventIn | EventOut | EventPri | EventErr | EventHUp | EventRdNorm | EventWrNorm;
const MAX_SIGNAL = 64;

/** Sends SIGIO for the events of a description with O_ASYNC; lives while the flag is set. */
export class AsyncNotifier implements EventListener {
  static readonly stateType = stateType("linux.AsyncNotifier", ["file", "fd", "entry"]);
  readonly file: FileDescription;
  /** The descriptor the flag was set through: si_fd. */
  readonly fd: number;
  readonly entry: Entry;

  constructor(file: FileDescription, fd: number) {
    this.file = file;
    this.fd = fd;
    this.entry = new Entry(this, ALL_EVENTS);
  }

  notifyEvent(_entry: Entry, mask: number): void {
    const a = this.file.async;
    if (a === null || a.owner === null) return;
    let code = 1;
    for (const [bits, c] of POLL_CODES) {
      if ((mask & bits) !== 0) {
        code = c;
        break;
      }
    }
    const sig = a.signal === 0 ? SIGIO : a.signal;
    const owner = a.owner;
    if (owner instanceof Task) {
      if (maySignal(a, owner)) owner.sendSignal(newSignal(a, sig, code, mask, this.fd));
    } else if (owner instanceof ThreadGroup) {
      if (maySignal(a, owner.leader)) owner.sendSignal(newSignal(a, sig, code, mask, this.fd));
    } else if (owner instanceof ProcessGroup) {
      for (const tg of [...owner.threadGroups]) {
        if (maySignal(a, tg.leader)) tg.sendSignal(newSignal(a, sig, code, mask, this.fd));
      }
    }
  }
}

/** Sends SIGURG to the owner of a socket, if it has one: an out-of-band byte came. */
export function sendUrgent(file: FileDescription): void {
  const a = file.async;
  if (a === null) return;
  const owner = a.owner;
  if (owner instanceof Task) {
    if (maySignal(a, owner)) owner.sendSignal(SignalInfo.kernel(SIGURG));
  } else if (owner instanceof ThreadGroup) {
    if (maySignal(a, owner.leader)) owner.sendSignal(SignalInfo.kernel(SIGURG));
  } else if (owner instanceof ProcessGroup) {
    for (const tg of [...owner.threadGroups]) {
      if (maySignal(a, tg.leader)) tg.sendSignal(SignalInfo.kernel(SIGURG));
    }
  }
}

function newSignal(a: FileAsync, sig: number, code: number, mask: number, fd: number): SignalInfo {
  // Without F_SETSIG the signal carries no details.
  return a.signal === 0 ? SignalInfo.kernel(sig) : SignalInfo.poll(sig, code, mask & ALL_EVENTS, fd);
}

/** Whether who set the owner may signal the task (sigio_perm). */
function maySignal(a: FileAsync, target: Task): boolean {
  const from: Credentials | null = a.creds;
  if (from === null) return true;
  const to = target.creds;
  return (
    from.hasCapabilityIn(CAP_KILL, to.userNamespace) ||
    from.effectiveKUID === to.savedKUID ||
    from.effectiveKUID === to.realKUID ||
    from.realKUID === to.savedKUID ||
    from.realKUID === to.realKUID
  );
}

function asyncOf(file: FileDescription): FileAsync {
  if (file.async === null) file.async = new FileAsync();
  return file.async;
}

/** Turns SIGIO on or off; the caller sets O_ASYNC in the flags. */
export function setAsync(t: Task, file: FileDescription, on: boolean, fd: number): void {
  const a = asyncOf(file);
  if (a.notifier !== null) file.eventUnregister(a.notifier.entry);
  a.notifier = null;
  if (!on) return;
  const n = new AsyncNotifier(file, fd);
  file.eventRegister(n.entry);
  a.notifier = n;
  if (a.creds === null) a.creds = t.creds;
}

/** FIOASYNC: 0, or -ENOTTY for a file that cannot. */
export function changeAsync(t: Task, fd: number, file: FileDescription, on: boolean, possible: boolean): number {
  if (((file.statusFlags & O_ASYNC) !== 0) === on) return 0;
  if (!possible) return -errno.ENOTTY;
  setAsync(t, file, on, fd);
  file.setStatusFlags(on ? file.statusFlags | O_ASYNC : file.statusFlags & ~O_ASYNC);
  return 0;
}

/** F_SETOWN: a process, or a process group when negative; 0 for nobody. */
export function setOwner(t: Task, file: FileDescription, who: number): number {
  if (who === -2147483648) return -errno.EINVAL;
  return assign(t, file, who < 0 ? F_OWNER_PGRP : F_OWNER_PID, Math.abs(who));
}

/** F_SETOWN_EX. */
export function setOwnerEx(t: Task, file: FileDescription, addr: number): number {
  t.copyIn(addr, t.kernel.scratch, 0, SIZEOF_F_OWNER_EX);
  const type = (t.kernel.scratchWords[0] ?? 0) | 0;
  const pid = (t.kernel.scratchWords[1] ?? 0) | 0;
  if (type !== F_OWNER_TID && type !== F_OWNER_PID && type !== F_OWNER_PGRP) return -errno.EINVAL;
  return assign(t, file, type, pid);
}

function assign(t: Task, file: FileDescription, type: number, pid: number): number {
  const ns = t.pidNamespace;
  let owner: object | null = null;
  if (pid !== 0) {
    if (type === F_OWNER_TID) owner = ns.taskWithID(pid);
    else if (type === F_OWNER_PID) owner = ns.threadGroupWithID(pid);
    else owner = ns.processGroups.get(pid) ?? null;
    if (owner === null) return -errno.ESRCH;
  }
  const a = asyncOf(file);
  a.ownerType = type;
  a.owner = owner;
  a.creds = owner === null ? null : t.creds;
  return 0;
}

/** F_GETOWN. */
export function getOwner(t: Task, file: FileDescription): number {
  const id = ownerID(t, file);
  return file.async?.owner instanceof ProcessGroup ? -id : id;
}

/** F_GETOWN_EX. */
export function getOwnerEx(t: Task, file: FileDescription, addr: number): number {
  const w = t.kernel.scratchWords;
  w[0] = file.async === null || file.async.owner === null ? F_OWNER_TID : file.async.ownerType;
  w[1] = ownerID(t, file);
  t.copyOut(addr, t.kernel.scratch, 0, SIZEOF_F_OWNER_EX);
  return 0;
}

/** The owner's id in the caller's PID namespace; 0 for none, or when it is gone. */
function ownerID(t: Task, file: FileDescription): number {
  const owner = file.async?.owner ?? null;
  const ns = t.pidNamespace;
  if (owner instanceof Task) return ns.tasks.get(ns.idOfTask(owner)) === owner ? ns.idOfTask(owner) : 0;
  if (owner instanceof ThreadGroup) return owner.isDead() ? 0 : ns.idOfThreadGroup(owner);
  if (owner instanceof ProcessGroup) return ns.idOfProcessGroup(owner);
  return 0;
}

/** F_SETSIG. */
export function setSignal(file: FileDescription, sig: number): number {
  if (sig > MAX_SIGNAL) return -errno.EINVAL;
  asyncOf(file).signal = sig;
  return 0;
}

/** F_GETSIG. */
export function getSignal(file: FileDescription): number {
  return file.async === null ? 0 : file.async.signal;
}
