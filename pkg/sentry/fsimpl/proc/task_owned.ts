import type { StateType } from "../../../state/index.ts";
import { stateType } from "../../../state/index.ts";
import type { Task } from "../../kernel/task.ts";
import { KernfsDirectory } from "../kernfs/index.ts";
import { isGone, ownerGID, ownerUID } from "./access.ts";
import type { ProcFilesystem } from "./filesystem.ts";

/** A directory about a task, owned by the task's user. */
export abstract class TaskOwnedDirectory extends KernfsDirectory {
  static override readonly stateType: StateType = stateType("proc.TaskOwnedDirectory", ["task"]);
  readonly task: Task;

  constructor(fs: ProcFilesystem, task: Task, perm: number, ino = 0) {
    super(fs, perm, ino);
    this.task = task;
  }

  override uid(): number {
    return ownerUID(this.task);
  }

  override gid(): number {
    return ownerGID(this.task);
  }

  override chmodAllowed(): boolean {
    return false;
  }

  override isDead(): boolean {
    return isGone(this.task);
  }

  override revalidate(): boolean {
    return !isGone(this.task);
  }

  /** The filesystem, typed. */
  proc(): ProcFilesystem {
    return this.fs as ProcFilesystem;
  }
}
