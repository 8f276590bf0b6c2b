import { DT_LNK, DT_REG } from "../../../abi/linux/dirent.ts";
import { F_RDLCK, O_CLOEXEC } from "../../../abi/linux/file.ts";
import * as linuxerr from "../../../errors/linuxerr/index.ts";
import { stateType } from "../../../state/index.ts";
import type { Credentials } from "../../kernel/auth/index.ts";
import { type Task, TaskExitZombie } from "../../kernel/task.ts";
import {
  type Dentry,
  DIR_FIRST_OFFSET,
  type DirentCallback,
  type FileDescription,
  type Inode,
  LOCK_MAX,
  type VirtualDentry,
} from "../../vfs/index.ts";
import { DynamicBytesInode, KernfsSymlink } from "../kernfs/index.ts";
import { isGone, mayInspect, ownerGID, ownerUID } from "./access.ts";
import type { ProcFilesystem } from "./filesystem.ts";
import { parseID } from "./ids.ts";
import { TaskOwnedDirectory } from "./task_owned.ts";

/** The open file of a task, or null. */
function fileOf(t: Task, fd: number): FileDescription | null {
  return t.exitState >= TaskExitZombie ? null : t.fdTable.get(fd);
}

/** /proc/[pid]/fd and fdinfo. */
export class FDDirectory extends TaskOwnedDirectory {
  static override readonly stateType = stateType("proc.FDDirectory", ["info"]);
  /** fdinfo. */
  readonly info: boolean;

  constructor(fs: ProcFilesystem, task: Task, info: boolean, ino: number) {
    super(fs, task, info ? 0o555 : 0o500, ino);
    this.info = info;
  }

  /** A process may always look at its own descriptors; fdinfo of others is for those who could trace them. */
  override checkPermissions(creds: Credentials, mask: number): number {
    const reader = this.proc().reader();
    if (reader !== null && reader.threadGroup === this.task.threadGroup) return 0;
    if (this.info && !mayInspect(reader, this.task)) return -linuxerr.EACCES.errno;
    return super.checkPermissions(creds, mask);
  }

  /** The number of descriptors. */
  override size(): number {
    return this.info || this.task.exitState >= TaskExitZombie ? 0 : this.task.fdTable.used;
  }

  override lookup(_dir: Dentry, name: string): Inode | null {
    const fd = parseID(name);
    if (fd < 0 || fileOf(this.task, fd) === null) return null;
    const ino = this.inoOf(fd);
    return this.info ? new FDInfoFile(this.proc(), this.task, fd, ino) : new FDSymlink(this.proc(), this.task, fd, ino);
  }

  /** The inode number of an entry. */
  inoOf(fd: number): number {
    return this.ino * 1048576 + fd;
  }

  override readDir(offset: number, cb: DirentCallback): number {
    const t = this.task;
    if (t.exitState >= TaskExitZombie) return offset;
    const table = t.fdTable;
    let at = offset;
    for (let fd = table.nextUsed(offset - DIR_FIRST_OFFSET); fd >= 0; fd = table.nextUsed(fd + 1)) {
      const next = DIR_FIRST_OFFSET + fd + 1;
      if (!cb.handle(String(fd), this.info ? DT_REG : DT_LNK, this.inoOf(fd), next)) return next - 1;
      at = next;
    }
    return at;
  }
}

/** /proc/[pid]/fd/[fd]: leads to the very file that is open. */
export class FDSymlink extends KernfsSymlink {
  static override readonly stateType = stateType("proc.FDSymlink", ["task", "fd"]);
  readonly task: Task;
  readonly fd: number;

  constructor(fs: ProcFilesystem, task: Task, fd: number, ino: number) {
    super(fs, 0o700, ino);
    this.task = task;
    this.fd = fd;
  }

  override uid(): number {
    return ownerUID(this.task);
  }

  override gid(): number {
    return ownerGID(this.task);
  }

  /** The permission bits say how the file is open. */
  override mode(): number {
    const f = fileOf(this.task, this.fd);
    let m = this.fileMode & ~0o777;
    if (f?.readable) m |= 0o500;
    if (f?.writable) m |= 0o300;
    return m;
  }

  override size(): number {
    return 64;
  }

  override revalidate(): boolean {
    return !isGone(this.task) && fileOf(this.task, this.fd) !== null;
  }

  place(reader: Task | null): VirtualDentry {
    if (!mayInspect(reader, this.task)) throw linuxerr.EACCES;
    const f = fileOf(this.task, this.fd);
    if (f === null) throw linuxerr.ENOENT;
    return f.vd;
  }

  override readlink(reader: Task | null): string {
    const vd = this.place(reader);
    const root = (reader ?? this.task).fsContext.root;
    return this.fs.vfs.pathnameWithDeleted(root, vd);
  }

  override getLink(reader: Task | null): VirtualDentry | null {
    return this.place(reader);
  }
}

/** /proc/[pid]/fdinfo/[fd]. */
export class FDInfoFile extends DynamicBytesInode {
  static override readonly stateType = stateType("proc.FDInfoFile", ["task", "fd"]);
  readonly task: Task;
  readonly fd: number;

  constructor(fs: ProcFilesystem, task: Task, fd: number, ino: number) {
    super(fs, 0o444, ino);
    this.task = task;
    this.fd = fd;
  }

  override uid(): number {
    return ownerUID(this.task);
  }

  override gid(): number {
    return ownerGID(this.task);
  }

  override revalidate(): boolean {
    return !isGone(this.task) && fileOf(this.task, this.fd) !== null;
  }

  override generate(): string {
    const f = fileOf(this.task, this.fd);
    if (f === null) throw linuxerr.ENOENT;
    const flags = (f.statusFlags | (this.task.fdTable.cloexec(this.fd) ? O_CLOEXEC : 0)) >>> 0;
    return (
      `pos:\t${f.position()}\nflags:\t0${flags.toString(8)}\nmnt_id:\t${f.vd.mount.id}\nino:\t${f.inodeID()}\n` +
      locksOf(f, this.task) +
      f.fdInfo()
    );
  }
}

/** The "lock:" lines of a description: locks that its process or itself holds. */
function locksOf(f: FileDescription, t: Task): string {
  const locks = f.inode.locks;
  if (locks === null) return "";
  let s = "";
  let n = 1;
  const where = `00:${f.deviceID().toString(16).padStart(2, "0")}:${f.inodeID()}`;
  for (const r of locks.ranges) {
    if (r.owner !== t.fdTable && r.owner !== f) continue;
    const kind = r.owner === f ? "OFDLCK" : "POSIX ";
    const type = r.type === F_RDLCK ? "READ " : "WRITE";
    const end = r.end === LOCK_MAX ? "EOF" : String(r.end - 1);
    s += `lock:\t${n++}: ${kind}  ADVISORY  ${type} ${r.pid} ${where} ${r.start} ${end}\n`;
  }
  const flock = locks.flocks.get(f);
  if (flock !== undefined) {
    s += `lock:\t${n}: FLOCK  ADVISORY  ${flock === 1 ? "READ " : "WRITE"} ${t.tgid} ${where} 0 EOF\n`;
  }
  return s;
}
