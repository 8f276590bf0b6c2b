/** System V message queues: msgget(2), msgsnd(2), msgrcv(2), msgctl(2). */
import { CAP_SYS_RESOURCE } from "../../../abi/linux/capability.ts";
import * as errno from "../../../abi/linux/errno.ts";
import { IPC_INFO, IPC_NOWAIT, IPC_RMID, IPC_SET, IPC_STAT } from "../../../abi/linux/ipc.ts";
import * as linux from "../../../abi/linux/msg.ts";
import { S_IRUGO, S_IWUGO } from "../../../abi/linux/stat.ts";
import {
  Message,
  type MessageQueue,
  type MessageQueueRegistry,
  MessageReceiver,
  MessageSender,
  MessageType,
  RECEIVE_ANY,
  RECEIVE_AT,
  RECEIVE_EQUAL,
  RECEIVE_LESS_EQUAL,
  RECEIVE_NOT_EQUAL,
  type ReceiveMode,
} from "../../kernel/msgqueue/index.ts";
import {
  type SyscallArguments,
  type SyscallGenerator,
  type SyscallResult,
  WAKE_INTERRUPT,
} from "../../kernel/syscalls.ts";
import type { Task } from "../../kernel/task.ts";
import {
  beginStruct,
  endStruct,
  getU64,
  objectForStat,
  ownedObject,
  putPermissions,
  putU64,
  setPermissions,
} from "./ipc_encode.ts";

/** Size of the type in front of the text. */
const TYPE_SIZE = 8;

/** msgget(key, msgflg). */
export function msgget(t: Task, args: SyscallArguments): number {
  return t.ipcNamespace.messageQueues.findOrCreate(t, args.i32(0), args.i32(1));
}

/** A 64-bit argument or field as a message type. */
function typeAt(words: Uint32Array, i: number): MessageType {
  return new MessageType(words[i] ?? 0, words[i + 1] ?? 0);
}

/** msgsnd(msqid, msgp, msgsz, msgflg). */
export function msgsnd(t: Task, args: SyscallArguments): SyscallResult {
  const id = args.i32(0);
  const buf = args.u64(1);
  const size = args.u64(2);
  const flags = args.i32(3);
  t.copyIn(buf, t.kernel.scratch, 0, TYPE_SIZE);
  const type = typeAt(t.kernel.scratchWords, 0);
  if (size > linux.MSGMAX || id < 0) return -errno.EINVAL;
  if (type.isNegative() || type.isZero()) return -errno.EINVAL;
  const data = new Uint8Array(size);
  t.copyIn(buf + TYPE_SIZE, data);
  const q = t.ipcNamespace.messageQueues.get(id);
  if (!q.mayAccess(t.creds, S_IWUGO)) return -errno.EACCES;
  const m = new Message(type, data);
  if (q.fits(size)) return q.send(t, m) ? 0 : -errno.ENOMEM;
  return (flags & IPC_NOWAIT) !== 0 ? -errno.EAGAIN : waitForRoom(t, q, m);
}

function* waitForRoom(t: Task, q: MessageQueue, m: Message): SyscallGenerator {
  const s = new MessageSender(t, m.data.length);
  q.senders.add(s);
  try {
    for (;;) {
      const why = yield t.block(Number.POSITIVE_INFINITY);
      if (q.removed) return -errno.EIDRM;
      if (why === WAKE_INTERRUPT) return -errno.ERESTARTNOHAND;
      if (!q.mayAccess(t.creds, S_IWUGO)) return -errno.EACCES;
      if (q.fits(s.size)) return q.send(t, m) ? 0 : -errno.ENOMEM;
    }
  } finally {
    q.senders.delete(s);
  }
}

/** What msgrcv(2) asks for. */
function receiver(t: Task, wanted: MessageType, flags: number, maxSize: number): MessageReceiver {
  let mode: ReceiveMode = RECEIVE_EQUAL;
  let type = wanted;
  if ((flags & linux.MSG_COPY) !== 0) {
    mode = RECEIVE_AT;
  } else if (wanted.isZero()) {
    mode = RECEIVE_ANY;
  } else if (wanted.isNegative()) {
    mode = RECEIVE_LESS_EQUAL;
    type = wanted.magnitude();
  } else if ((flags & linux.MSG_EXCEPT) !== 0) {
    mode = RECEIVE_NOT_EQUAL;
  }
  return new MessageReceiver(t, type, mode, (flags & linux.MSG_NOERROR) !== 0 ? Number.POSITIVE_INFINITY : maxSize);
}

/** msgrcv(msqid, msgp, msgsz, msgtyp, msgflg). */
export function msgrcv(t: Task, args: SyscallArguments): SyscallResult {
  const id = args.i32(0);
  const buf = args.u64(1);
  const size = args.u64(2);
  const flags = args.i32(4);
  if (id < 0 || args.i64(2) < 0) return -errno.EINVAL;
  if ((flags & linux.MSG_COPY) !== 0) {
    if ((flags & linux.MSG_EXCEPT) !== 0 || (flags & IPC_NOWAIT) === 0) return -errno.EINVAL;
  }
  const r = receiver(t, typeAt(args.words, 6), flags, size);
  const q = t.ipcNamespace.messageQueues.get(id);
  const got = receive(t, q, r, flags);
  // A copy is never cut, whatever MSG_NOERROR says (copy_msg()).
  if (got instanceof Message && (flags & linux.MSG_COPY) !== 0 && got.data.length > size) return -errno.EINVAL;
  if (got instanceof Message) return deliver(t, buf, size, got);
  if (got !== -errno.ENOMSG || (flags & IPC_NOWAIT) !== 0) return got;
  return waitForMessage(t, q, r, flags, buf, size);
}

/** Takes the message that a receiver wants: -ENOMSG when there is none, -EACCES, -E2BIG. */
function receive(t: Task, q: MessageQueue, r: MessageReceiver, flags: number): Message | number {
  if (!q.mayAccess(t.creds, S_IRUGO)) return -errno.EACCES;
  const place = q.find(r);
  const m = q.messages[place];
  if (m === undefined) return -errno.ENOMSG;
  if (m.data.length > r.maxSize) return -errno.E2BIG;
  return (flags & linux.MSG_COPY) !== 0 ? m : (q.take(t, place) ?? -errno.ENOMSG);
}

/** Stores a message, as much of it as there is room for. */
function deliver(t: Task, buf: number, size: number, m: Message): number {
  t.kernel.scratchWords[0] = m.type.lo;
  t.kernel.scratchWords[1] = m.type.hi;
  t.copyOut(buf, t.kernel.scratch, 0, TYPE_SIZE);
  const n = Math.min(size, m.data.length);
  t.copyOut(buf + TYPE_SIZE, m.data, 0, n);
  return n;
}

function* waitForMessage(
  t: Task,
  q: MessageQueue,
  r: MessageReceiver,
  flags: number,
  buf: number,
  size: number,
): SyscallGenerator {
  try {
    for (;;) {
      r.status = 0;
      q.receivers.add(r);
      const why = yield t.block(Number.POSITIVE_INFINITY);
      if (r.message !== null) return deliver(t, buf, size, r.message);
      if (r.status !== 0 && r.status !== -errno.EAGAIN) return r.status;
      if (why === WAKE_INTERRUPT) return -errno.ERESTARTNOHAND;
      const got = receive(t, q, r, flags);
      if (got instanceof Message) return deliver(t, buf, size, got);
      if (got !== -errno.ENOMSG) return got;
    }
  } finally {
    q.receivers.delete(r);
  }
}

/** msgctl(msqid, cmd, buf). */
export function msgctl(t: Task, args: SyscallArguments): number {
  const id = args.i32(0);
  const cmd = args.i32(1);
  const buf = args.u64(2);
  const ns = t.ipcNamespace.messageQueues;
  if (id < 0 || cmd < 0) return -errno.EINVAL;
  switch (cmd) {
    case IPC_INFO:
    case linux.MSG_INFO:
      return info(t, ns, cmd === linux.MSG_INFO, buf);
    case IPC_STAT:
    case linux.MSG_STAT:
    case linux.MSG_STAT_ANY: {
      const q = objectForStat(t, ns, id, cmd !== IPC_STAT, cmd === linux.MSG_STAT_ANY);
      status(t, q, buf);
      return cmd === IPC_STAT ? 0 : q.id;
    }
    case IPC_SET:
      return set(t, ns, id, buf);
    case IPC_RMID:
      ownedObject(t, ns, id).destroy();
      return 0;
    default:
      return -errno.EINVAL;
  }
}

function info(t: Task, ns: MessageQueueRegistry, used: boolean, buf: number): number {
  const v = beginStruct(t, linux.SIZEOF_MSGINFO);
  const fields = [
    used ? ns.objects.size : linux.MSGPOOL,
    used ? ns.messageCount : linux.MSGMNB,
    linux.MSGMAX,
    linux.MSGMNB,
    linux.MSGMNI,
    linux.MSGSSZ,
    used ? ns.messageBytes : linux.MSGMNB,
  ];
  for (const [i, n] of fields.entries()) v.setInt32(4 * i, n, true);
  v.setUint16(28, linux.MSGSEG, true);
  endStruct(t, buf, linux.SIZEOF_MSGINFO);
  return ns.maxIndex();
}

function status(t: Task, q: MessageQueue, buf: number): void {
  const v = beginStruct(t, linux.SIZEOF_MSQID64_DS);
  putPermissions(t, v, q);
  putU64(v, linux.MSG_STIME, q.sendTime);
  putU64(v, linux.MSG_RTIME, q.receiveTime);
  putU64(v, linux.MSG_CTIME, q.changeTime);
  putU64(v, linux.MSG_CBYTES, q.bytes);
  putU64(v, linux.MSG_QNUM, q.messages.length);
  putU64(v, linux.MSG_QBYTES, q.maxBytes);
  v.setInt32(linux.MSG_LSPID, q.lastSender?.idIn(t.pidNamespace) ?? 0, true);
  v.setInt32(linux.MSG_LRPID, q.lastReceiver?.idIn(t.pidNamespace) ?? 0, true);
  endStruct(t, buf, linux.SIZEOF_MSQID64_DS);
}

function set(t: Task, ns: MessageQueueRegistry, id: number, buf: number): number {
  const { bytes, view } = t.kernel.syscallScratch;
  t.copyIn(buf, bytes, 0, linux.SIZEOF_MSQID64_DS);
  const limit = getU64(view, linux.MSG_QBYTES);
  const q = ownedObject(t, ns, id);
  if (limit > linux.MSGMNB && !t.creds.capable(CAP_SYS_RESOURCE)) return -errno.EPERM;
  setPermissions(t, view, q, ns.now());
  q.maxBytes = limit;
  q.retryAll();
  return 0;
}
