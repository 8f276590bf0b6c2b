import type { Task } from "./task.ts";

/**
 * What a task does next. A run state is an object without data of its own (data lives in the Task), so that a paused
 * task is described by its fields alone.
 */
export interface RunState {
  /** Name for logs and /proc. */
  readonly name: string;
  /**
   * Works for the task and returns the state to execute at once, or null to park: the task then stays in the state
   * `t.runState` names until something schedules it. Every state must tolerate being executed without cause.
   */
  execute(t: Task): RunState | null;
}
