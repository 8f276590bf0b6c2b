import { DT_LNK } from "../../../abi/linux/dirent.ts";
import * as linuxerr from "../../../errors/linuxerr/index.ts";
import { stateType } from "../../../state/index.ts";
import type { Namespace } from "../../kernel/auth/index.ts";
import { type Task, TaskExitZombie } from "../../kernel/task.ts";
import {
  type Dentry,
  DIR_FIRST_OFFSET,
  type DirentCallback,
  FileDescription,
  type Inode,
  type VirtualDentry,
} from "../../vfs/index.ts";
import { KernfsSymlink } from "../kernfs/index.ts";
import { namespacePlace } from "../nsfs/index.ts";
import { isGone, mayInspect, memoryOf, ownerGID, ownerUID } from "./access.ts";
import type { ProcFilesystem } from "./filesystem.ts";
import { TaskOwnedDirectory } from "./task_owned.ts";

/** A symbolic link of a task. */
export abstract class TaskSymlink extends KernfsSymlink {
  static override readonly stateType = stateType("proc.TaskSymlink", ["task"]);
  readonly task: Task;

  constructor(fs: ProcFilesystem, task: Task, ino: number) {
    super(fs, 0o777, ino);
    this.task = task;
  }

  override uid(): number {
    return ownerUID(this.task);
  }

  override gid(): number {
    return ownerGID(this.task);
  }

  override revalidate(): boolean {
    return !isGone(this.task);
  }
}

/** /proc/[pid]/cwd, root and exe. */
export class PlaceSymlink extends TaskSymlink {
  static override readonly stateType = stateType("proc.PlaceSymlink", ["which"]);
  readonly which: "cwd" | "exe" | "root";

  constructor(fs: ProcFilesystem, task: Task, which: "cwd" | "exe" | "root", ino: number) {
    super(fs, task, ino);
    this.which = which;
  }

  /** Where it leads; EACCES for those who may not look, ENOENT when there is nothing. */
  place(reader: Task | null): VirtualDentry {
    const t = this.task;
    if (!mayInspect(reader, t)) throw linuxerr.EACCES;
    if (this.which === "exe") {
      const exe = memoryOf(t)?.executable ?? null;
      if (!(exe instanceof FileDescription)) throw linuxerr.ENOENT;
      return exe.vd;
    }
    if (t.exitState >= TaskExitZombie) throw linuxerr.ENOENT;
    return this.which === "cwd" ? t.fsContext.cwd : t.fsContext.root;
  }

  override readlink(reader: Task | null): string {
    const vd = this.place(reader);
    const viewer = reader ?? this.task;
    return this.fs.vfs.pathnameWithDeleted(viewer.fsContext.root, vd);
  }

  override getLink(reader: Task | null): VirtualDentry | null {
    return this.place(reader);
  }
}

/** Names in /proc/[pid]/ns. */
const NS_NAMES: readonly string[] = ["cgroup", "ipc", "mnt", "net", "pid", "pid_for_children", "user", "uts"];

/** A namespace of a task; null: it has left it already. */
function namespaceOf(t: Task, name: string): Namespace | null {
  if (name === "user") return t.creds.userNamespace;
  if (name === "pid") return isGone(t) ? null : t.pidNamespace;
  if (t.exitState >= TaskExitZombie) return null;
  switch (name) {
    case "cgroup":
      return t.cgroupNamespace;
    case "ipc":
      return t.ipcNamespace;
    case "mnt":
      return t.mountNamespace;
    case "net":
      return t.networkNamespace;
    case "pid_for_children":
      // Until its first process is there nobody can join it.
      return t.childPIDNamespace.init === null ? null : t.childPIDNamespace;
    default:
      return t.utsNamespace;
  }
}

/** /proc/[pid]/ns. */
export class NSDirectory extends TaskOwnedDirectory {
  static override readonly stateType = stateType("proc.NSDirectory", []);

  constructor(fs: ProcFilesystem, task: Task, ino: number) {
    super(fs, task, 0o511, ino);
  }

  override lookup(_dir: Dentry, name: string): Inode | null {
    return NS_NAMES.includes(name) ? new NSSymlink(this.proc(), this.task, name, this.inoOf(name)) : null;
  }

  /** The inode number of an entry. */
  inoOf(name: string): number {
    return this.ino * 1048576 + NS_NAMES.indexOf(name);
  }

  override readDir(offset: number, cb: DirentCallback): number {
    let at = DIR_FIRST_OFFSET;
    for (const name of NS_NAMES) {
      if (at >= offset && !cb.handle(name, DT_LNK, this.inoOf(name), at + 1)) return at;
      at++;
    }
    return Math.max(at, offset);
  }
}

/** /proc/[pid]/ns/[type]: it leads to the namespace, and its text identifies that. */
export class NSSymlink extends TaskSymlink {
  static override readonly stateType = stateType("proc.NSSymlink", ["name"]);
  readonly name: string;

  constructor(fs: ProcFilesystem, task: Task, name: string, ino: number) {
    super(fs, task, ino);
    this.name = name;
  }

  /** The namespace; EACCES for those who may not look, ENOENT when the task has left it. */
  namespace(reader: Task | null): Namespace {
    if (!mayInspect(reader, this.task)) throw linuxerr.EACCES;
    const ns = namespaceOf(this.task, this.name);
    if (ns === null) throw linuxerr.ENOENT;
    return ns;
  }

  override readlink(reader: Task | null): string {
    return this.namespace(reader).fileName();
  }

  override getLink(reader: Task | null): VirtualDentry {
    return namespacePlace(this.task.kernel, this.namespace(reader));
  }
}
