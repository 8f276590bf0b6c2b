import { E2BIG, EAGAIN, EIDRM } from "../../../abi/linux/errno.ts";
import { MSGMNB } from "../../../abi/linux/msg.ts";
import { stateType } from "../../../state/index.ts";
import { IPCObject } from "../ipc/index.ts";
import { PIDRef } from "../pid_ref.ts";
import type { Task } from "../task.ts";
import type { MessageQueueRegistry } from "./registry.ts";

/** The first message. */
export const RECEIVE_ANY = 0;
/** The first of the type. */
export const RECEIVE_EQUAL = 1;
/** The first of another type. */
export const RECEIVE_NOT_EQUAL = 2;
/** The first of the lowest type up to this. */
export const RECEIVE_LESS_EQUAL = 3;
/** The message at that place (MSG_COPY). */
export const RECEIVE_AT = 4;
/** Which message a receiver wants. */
export type ReceiveMode = 0 | 1 | 2 | 3 | 4;

/** A message type, or what msgrcv(2) is told instead: a signed 64-bit number. */
export class MessageType {
  static readonly stateType = stateType("msgqueue.MessageType", ["lo", "hi"]);
  /** The low word, unsigned. */
  readonly lo: number;
  /** The high word, signed. */
  readonly hi: number;

  constructor(lo: number, hi: number) {
    this.lo = lo >>> 0;
    this.hi = hi | 0;
  }

  isZero(): boolean {
    return this.lo === 0 && this.hi === 0;
  }

  isNegative(): boolean {
    return this.hi < 0;
  }

  /** The absolute value; the most negative number gives the highest. */
  magnitude(): MessageType {
    if (this.hi >= 0) return this;
    if (this.lo === 0 && this.hi === -2147483648) return new MessageType(0xffffffff, 0x7fffffff);
    return new MessageType(-this.lo, ~this.hi + (this.lo === 0 ? 1 : 0));
  }

  equals(o: MessageType): boolean {
    return this.lo === o.lo && this.hi === o.hi;
  }

  lessThan(o: MessageType): boolean {
    return this.hi < o.hi || (this.hi === o.hi && this.lo < o.lo);
  }
}

/** A message. */
export class Message {
  static readonly stateType = stateType("msgqueue.Message", ["type", "data"]);
  readonly type: MessageType;
  readonly data: Uint8Array;

  constructor(type: MessageType, data: Uint8Array) {
    this.type = type;
    this.data = data;
  }
}

/** A task in msgrcv(2). */
export class MessageReceiver {
  static readonly stateType = stateType("msgqueue.MessageReceiver", [
    "task",
    "type",
    "mode",
    "maxSize",
    "message",
    "status",
  ]);
  readonly task: Task;
  readonly type: MessageType;
  readonly mode: ReceiveMode;
  /** The longest message it takes. */
  readonly maxSize: number;
  /** What it was handed. */
  message: Message | null = null;
  /** 0 while it waits; else why the wait ended without a message: -EIDRM, -E2BIG, or -EAGAIN to look once more. */
  status = 0;

  constructor(task: Task, type: MessageType, mode: ReceiveMode, maxSize: number) {
    this.task = task;
    this.type = type;
    this.mode = mode;
    this.maxSize = maxSize;
  }

  /** Whether a message is one that it waits for. */
  wants(m: Message): boolean {
    switch (this.mode) {
      case RECEIVE_EQUAL:
        return m.type.equals(this.type);
      case RECEIVE_NOT_EQUAL:
        return !m.type.equals(this.type);
      case RECEIVE_LESS_EQUAL:
        return !this.type.lessThan(m.type);
      default:
        return true;
    }
  }
}

/** A task in msgsnd(2) that waits for room. */
export class MessageSender {
  static readonly stateType = stateType("msgqueue.MessageSender", ["task", "size"]);
  readonly task: Task;
  readonly size: number;

  constructor(task: Task, size: number) {
    this.task = task;
    this.size = size;
  }
}

/** A message queue. */
export class MessageQueue extends IPCObject {
  static override readonly stateType = stateType("msgqueue.MessageQueue", [
    "registry",
    "messages",
    "bytes",
    "maxBytes",
    "sendTime",
    "receiveTime",
    "lastSender",
    "lastReceiver",
    "receivers",
    "senders",
  ]);
  readonly registry: MessageQueueRegistry;
  readonly messages: Message[] = [];
  /** Bytes of text in the queue, and how many it holds. */
  bytes = 0;
  maxBytes = MSGMNB;
  /** Seconds since the epoch; 0: never. */
  sendTime = 0;
  receiveTime = 0;
  lastSender: PIDRef | null = null;
  lastReceiver: PIDRef | null = null;
  /** Who waits, in order of arrival. */
  readonly receivers: Set<MessageReceiver> = new Set();
  readonly senders: Set<MessageSender> = new Set();

  constructor(registry: MessageQueueRegistry, t: Task, key: number, mode: number) {
    super(registry.userNamespace, t.creds, key, mode);
    this.registry = registry;
    this.changeTime = registry.now();
  }

  /** Whether a message of so many bytes may be appended. */
  fits(size: number): boolean {
    return size + this.bytes <= this.maxBytes && this.messages.length + 1 <= this.maxBytes;
  }

  /** Appends a message, or hands it to a receiver that waits for such. False when the namespace holds too much already. */
  send(t: Task, m: Message): boolean {
    const size = m.data.length;
    if (!this.handOver(m)) {
      if (!this.registry.charge(size)) return false;
      this.messages.push(m);
      this.bytes += size;
    }
    this.lastSender = PIDRef.ofProcess(t, this.lastSender);
    this.sendTime = this.registry.now();
    return true;
  }

  handOver(m: Message): boolean {
    for (const r of this.receivers) {
      if (!r.wants(m)) continue;
      this.receivers.delete(r);
      if (r.maxSize < m.data.length) {
        r.status = -E2BIG;
        r.task.wake();
        continue;
      }
      r.message = m;
      this.lastReceiver = PIDRef.ofProcess(r.task, this.lastReceiver);
      this.receiveTime = this.registry.now();
      r.task.wake();
      return true;
    }
    return false;
  }

  /** The place of the message a receiver gets, -1 when there is none. */
  find(r: MessageReceiver): number {
    const list = this.messages;
    if (r.mode === RECEIVE_AT) return r.type.hi === 0 && r.type.lo < list.length ? r.type.lo : -1;
    let best = -1;
    let lowest: MessageType | null = null;
    for (let i = 0; i < list.length; i++) {
      const m = list[i];
      if (m === undefined || !r.wants(m)) continue;
      if (r.mode !== RECEIVE_LESS_EQUAL) return i;
      if (lowest === null || m.type.lessThan(lowest)) {
        best = i;
        lowest = m.type;
      }
    }
    return best;
  }

  /** Takes a message out: there may be room for senders then. */
  take(t: Task, place: number): Message | null {
    const m = place === 0 ? this.messages.shift() : this.messages.splice(place, 1)[0];
    if (m === undefined) return null;
    this.bytes -= m.data.length;
    this.registry.uncharge(m.data.length);
    this.lastReceiver = PIDRef.ofProcess(t, this.lastReceiver);
    this.receiveTime = this.registry.now();
    for (const s of this.senders) if (this.fits(s.size)) s.task.wake();
    return m;
  }

  /** The limit or the permissions changed: everyone who waits tries again. */
  retryAll(): void {
    for (const r of this.receivers) this.endReceive(r, -EAGAIN);
    for (const s of this.senders) s.task.wake();
  }

  endReceive(r: MessageReceiver, status: number): void {
    this.receivers.delete(r);
    r.status = status;
    r.task.wake();
  }

  /** IPC_RMID: it goes at once, with its messages. */
  destroy(): void {
    this.registry.remove(this);
    for (const m of this.messages) this.registry.uncharge(m.data.length);
    this.messages.length = 0;
    this.bytes = 0;
    for (const r of this.receivers) this.endReceive(r, -EIDRM);
    for (const s of this.senders) s.task.wake();
    this.senders.clear();
  }
}
