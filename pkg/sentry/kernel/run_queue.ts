import { stateType } from "../../state/index.ts";
import type { Task } from "./task.ts";

/** First-in first-out queue of tasks; Task.queued says who is in it. */
export class RunQueue {
  static readonly stateType = stateType("kernel.RunQueue", [], ["ring", "head", "count"]);
  /** Length is a power of two. */
  ring: (Task | null)[] = new Array<Task | null>(64).fill(null);
  head = 0;
  count = 0;

  /** Appends a task. */
  push(t: Task): void {
    if (this.count === this.ring.length) this.grow();
    this.ring[(this.head + this.count) & (this.ring.length - 1)] = t;
    this.count++;
  }

  /** Takes the first task, null when empty. */
  shift(): Task | null {
    if (this.count === 0) return null;
    const t = this.ring[this.head] ?? null;
    this.ring[this.head] = null;
    this.head = (this.head + 1) & (this.ring.length - 1);
    this.count--;
    return t;
  }

  /** Doubles the ring. */
  grow(): void {
    const old = this.ring;
    const n = old.length;
    this.ring = new Array<Task | null>(n * 2).fill(null);
    for (let i = 0; i < n; i++) this.ring[i] = old[(this.head + i) & (n - 1)] ?? null;
    this.head = 0;
  }
}
