import { MSGMNI } from "../../../abi/linux/msg.ts";
import { stateType } from "../../../state/index.ts";
import type { UserNamespace } from "../auth/index.ts";
import { Registry } from "../ipc/index.ts";
import type { Kernel } from "../kernel.ts";
import type { Task } from "../task.ts";
import { MessageQueue } from "./queue.ts";

/** What all messages may take of the sentry's memory: the limits of single queues add up to half a gigabyte. */
const MAX_MEMORY = 64 << 20;
/** What a message takes besides its text. */
const OVERHEAD = 256;

/** The message queues of an IPC namespace. */
export class MessageQueueRegistry extends Registry<MessageQueue> {
  static override readonly stateType = stateType("msgqueue.MessageQueueRegistry", [
    "kernel",
    "userNamespace",
    "messageCount",
    "messageBytes",
  ]);
  readonly kernel: Kernel;
  readonly userNamespace: UserNamespace;
  /** Messages in all queues, and their bytes. */
  messageCount = 0;
  messageBytes = 0;

  constructor(kernel: Kernel, userNamespace: UserNamespace) {
    super(MSGMNI, kernel.ipcUsage);
    this.kernel = kernel;
    this.userNamespace = userNamespace;
  }

  /** Seconds since the epoch. */
  now(): number {
    return this.kernel.timekeeper.realtimeSeconds();
  }

  /** Counts a message in; false when there are too many. */
  charge(size: number): boolean {
    const u = this.usage;
    if (u.messageBytes + size + (u.messageCount + 1) * OVERHEAD > MAX_MEMORY) return false;
    u.messageCount++;
    u.messageBytes += size;
    this.messageCount++;
    this.messageBytes += size;
    return true;
  }

  /** Counts a message out. */
  uncharge(size: number): void {
    this.usage.messageCount--;
    this.usage.messageBytes -= size;
    this.messageCount--;
    this.messageBytes -= size;
  }

  /** msgget(2): the id. ENOENT, EEXIST, EACCES, ENOSPC. */
  findOrCreate(t: Task, key: number, flags: number): number {
    const found = this.find(key, flags);
    if (found !== null) return this.checkFound(found, t.creds, flags);
    const q = new MessageQueue(this, t, key, flags);
    this.add(q);
    return q.id;
  }
}
