import { DT_DIR, DT_LNK, DT_REG } from "../../../abi/linux/dirent.ts";
import * as linuxerr from "../../../errors/linuxerr/index.ts";
import { stateType } from "../../../state/index.ts";
import type { Task } from "../../kernel/task.ts";
import { type Dentry, DIR_FIRST_OFFSET, type DirentCallback, type Inode } from "../../vfs/index.ts";
import { isGone } from "./access.ts";
import type { ProcFilesystem } from "./filesystem.ts";
import { IDMapFile } from "./id_map.ts";
import { parseID } from "./ids.ts";
import { buildNet } from "./net.ts";
import { FDDirectory } from "./task_fd.ts";
import { NSDirectory, PlaceSymlink } from "./task_link.ts";
import { MemInode } from "./task_mem.ts";
import { TaskOwnedDirectory } from "./task_owned.ts";
import { TASK_FILES, TaskFile } from "./task_text.ts";

/** Inode numbers one directory of a task may use. */
const INO_BLOCK = 128;
/** Numbers from here on belong to the directories of tasks, by id. */
const TASK_INO = 2 ** 32;

/** The inode number of /proc/[id], or of /proc/[pid]/task/[id]: the same at each lookup, as listings promise. */
export function taskIno(id: number, thread: boolean): number {
  return TASK_INO + id * 2 * INO_BLOCK + (thread ? INO_BLOCK : 0);
}
/** Entries that are not text files, in order of listing. */
const SPECIAL: readonly (readonly [string, number])[] = [
  ["cwd", DT_LNK],
  ["exe", DT_LNK],
  ["fd", DT_DIR],
  ["fdinfo", DT_DIR],
  ["gid_map", DT_REG],
  ["mem", DT_REG],
  ["net", DT_DIR],
  ["ns", DT_DIR],
  ["root", DT_LNK],
  ["setgroups", DT_REG],
  ["task", DT_DIR],
  ["uid_map", DT_REG],
];
const SPECIAL_NAMES: readonly string[] = SPECIAL.map(([name]) => name);

/** /proc/[pid], and /proc/[pid]/task/[tid] when `thread`. */
export class TaskDirectory extends TaskOwnedDirectory {
  static override readonly stateType = stateType("proc.TaskDirectory", ["thread"]);
  readonly thread: boolean;

  constructor(fs: ProcFilesystem, task: Task, thread: boolean) {
    super(fs, task, 0o555, taskIno(fs.pidNamespace.idOfTask(task), thread));
    this.thread = thread;
  }

  override uid(): number {
    // Directories that everybody may enter show the real effective user, dumpable or not.
    return this.task.creds.effectiveKUID;
  }

  override gid(): number {
    return this.task.creds.effectiveKGID;
  }

  override linkCount(): number {
    return this.thread ? 7 : 9;
  }

  override lookup(_dir: Dentry, name: string): Inode | null {
    const t = this.task;
    if (isGone(t)) throw linuxerr.ESRCH;
    const fs = this.proc();
    const spec = TASK_FILES[name];
    if (spec !== undefined) {
      if (this.thread ? spec.groupOnly : spec.threadOnly) return null;
      return new TaskFile(fs, t, this.thread, name, this.inoOf(name));
    }
    const ino = this.inoOf(name);
    switch (name) {
      case "cwd":
      case "exe":
      case "root":
        return new PlaceSymlink(fs, t, name, ino);
      case "fd":
        return new FDDirectory(fs, t, false, ino);
      case "fdinfo":
        return new FDDirectory(fs, t, true, ino);
      case "uid_map":
      case "gid_map":
      case "setgroups":
        return new IDMapFile(fs, t, name, ino);
      case "mem":
        return new MemInode(fs, t, ino);
      case "net":
        return buildNet(fs, t);
      case "ns":
        return new NSDirectory(fs, t, ino);
      case "task":
        return this.thread ? null : new TasksDirectory(fs, t, ino);
      default:
        return null;
    }
  }

  /** Entries have numbers by their position in the tables, so that a listing and stat(2) agree. */
  inoOf(name: string): number {
    const i = SPECIAL_NAMES.indexOf(name);
    if (i >= 0) return this.ino + 1 + i;
    return this.ino + 1 + SPECIAL_NAMES.length + Object.keys(TASK_FILES).indexOf(name);
  }

  override readDir(offset: number, cb: DirentCallback): number {
    if (isGone(this.task)) return offset;
    let at = DIR_FIRST_OFFSET;
    for (const [name, type] of SPECIAL) {
      if (!(this.thread && name === "task")) {
        if (at >= offset && !cb.handle(name, type, this.inoOf(name), at + 1)) return at;
      }
      at++;
    }
    for (const name of Object.keys(TASK_FILES)) {
      const spec = TASK_FILES[name];
      if (spec !== undefined && !(this.thread ? spec.groupOnly : spec.threadOnly)) {
        if (at >= offset && !cb.handle(name, DT_REG, this.inoOf(name), at + 1)) return at;
      }
      at++;
    }
    return Math.max(at, offset);
  }
}

/** /proc/[pid]/task: a directory for each thread. */
export class TasksDirectory extends TaskOwnedDirectory {
  static override readonly stateType = stateType("proc.TasksDirectory", []);

  constructor(fs: ProcFilesystem, task: Task, ino: number) {
    super(fs, task, 0o555, ino);
  }

  override linkCount(): number {
    return 2 + this.task.threadGroup.tasks.size;
  }

  override lookup(_dir: Dentry, name: string): Inode | null {
    const id = parseID(name);
    const t = id < 0 ? null : this.proc().pidNamespace.taskWithID(id);
    if (t === null || t.threadGroup !== this.task.threadGroup || isGone(t)) return null;
    return new TaskDirectory(this.proc(), t, true);
  }

  override readDir(offset: number, cb: DirentCallback): number {
    const ns = this.proc().pidNamespace;
    const ids: number[] = [];
    for (const t of this.task.threadGroup.tasks) {
      const id = ns.idOfTask(t);
      if (id !== 0 && DIR_FIRST_OFFSET + id >= offset && !isGone(t)) ids.push(id);
    }
    ids.sort((a, b) => a - b);
    let at = offset;
    for (const id of ids) {
      if (!cb.handle(String(id), DT_DIR, taskIno(id, true), DIR_FIRST_OFFSET + id + 1)) return DIR_FIRST_OFFSET + id;
      at = DIR_FIRST_OFFSET + id + 1;
    }
    return at;
  }
}
