import { DT_LNK } from "../../../abi/linux/dirent.ts";
import * as linuxerr from "../../../errors/linuxerr/index.ts";
import { stateType } from "../../../state/index.ts";
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
import { isGone, mayInspect, memoryOf, ownerGID, ownerUID } from "./access.ts";
import type { ProcFilesystem } from "./filesystem.ts";
import { TaskOwnedDirectory } from "./task_owned.ts";

/** Inode numbers of namespaces there is only one of, as Linux numbers them. */
const IPC_INO = 0xefffffff;
const NET_INO = 4026531833;
const CGROUP_INO = 0xeffffffb;
const TIME_INO = 0xeffffffa;
const MNT_INO = 4026531832;

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

  override revalidate(_d: Dentry): boolean {
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
const NS_NAMES: readonly string[] = [
  "cgroup",
  "ipc",
  "mnt",
  "net",
  "pid",
  "pid_for_children",
  "time",
  "time_for_children",
  "user",
  "uts",
];

/** The inode number of a task's namespace. */
function namespaceIno(t: Task, name: string): number {
  switch (name) {
    case "cgroup":
      return CGROUP_INO;
    case "ipc":
      return IPC_INO;
    case "mnt": {
      const ino = t.mountNamespace.ino;
      return ino === 0 ? MNT_INO : ino;
    }
    case "net":
      return NET_INO;
    case "pid":
      return t.pidNamespace.ino;
    case "pid_for_children":
      return t.childPIDNamespace.ino;
    case "user":
      return t.creds.userNamespace.ino;
    case "uts":
      return t.utsNamespace.ino;
    default:
      return TIME_INO;
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

/** /proc/[pid]/ns/[type]: the text identifies the namespace. */
export class NSSymlink extends TaskSymlink {
  static override readonly stateType = stateType("proc.NSSymlink", ["name"]);
  readonly name: string;

  constructor(fs: ProcFilesystem, task: Task, name: string, ino: number) {
    super(fs, task, ino);
    this.name = name;
  }

  override readlink(reader: Task | null): string {
    const t = this.task;
    if (!mayInspect(reader, t)) throw linuxerr.EACCES;
    if (t.exitState >= TaskExitZombie) throw linuxerr.ENOENT;
    const type = this.name.replace("_for_children", "");
    return `${type}:[${namespaceIno(t, this.name)}]`;
  }
}
