import { stateType } from "../../../state/index.ts";

/** What the objects of all IPC namespaces together take: limits per namespace bound nothing when there are many namespaces. */
export class IPCUsage {
  static readonly stateType = stateType("ipc.IPCUsage", [
    "objects",
    "semaphores",
    "undos",
    "messageCount",
    "messageBytes",
  ]);
  /** Segments, sets and queues. */
  objects = 0;
  /** Semaphores in all sets. */
  semaphores = 0;
  /** Adjustments in all undo records. */
  undos = 0;
  /** Messages in all queues, and their bytes. */
  messageCount = 0;
  messageBytes = 0;
}
