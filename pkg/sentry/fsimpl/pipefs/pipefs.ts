import { O_DIRECT, O_NONBLOCK, O_RDONLY, O_WRONLY } from "../../../abi/linux/file.ts";
import { PIPEFS_MAGIC } from "../../../abi/linux/fs.ts";
import { makeDeviceID, S_IFDIR, S_IFIFO, S_IFMT } from "../../../abi/linux/stat.ts";
import { stateType } from "../../../state/index.ts";
import type { Credentials } from "../../kernel/auth/index.ts";
import {
  ATTR_ATIME,
  ATTR_CTIME,
  ATTR_GID,
  ATTR_MODE,
  ATTR_MTIME,
  ATTR_UID,
  Dentry,
  type Fifo,
  type FifoFactory,
  type FileDescription,
  Filesystem,
  Inode,
  type Mount,
  type SetStatOptions,
  type Statfs,
  type Statx,
  VirtualDentry,
  type VirtualFilesystem,
} from "../../vfs/index.ts";
import { Pipe, PipeAccounting } from "./pipe.ts";

/** The internal filesystem of anonymous pipes; also makes what is behind FIFOs. One per kernel. */
export class PipeFS extends Filesystem implements FifoFactory {
  static override readonly stateType = stateType("pipefs.PipeFS", ["mount", "accounting", "lastIno"]);
  override readonly type = "pipefs";
  readonly accounting: PipeAccounting = new PipeAccounting();
  lastIno = 1;
  /** Where all pipes are. */
  readonly mount: Mount;

  /** Registers itself with the vfs as the maker of FIFOs. */
  constructor(vfs: VirtualFilesystem) {
    super(vfs);
    this.setRoot(new PipeInode(this, this.lastIno++, S_IFDIR | 0o555, 0, 0));
    this.mount = vfs.newInternalMount(this);
    vfs.fifoFactory = this;
  }

  newFifo(inode: Inode): Fifo {
    return new Pipe(this.accounting, inode, false);
  }

  override statFS(out: Statfs): void {
    out.type = PIPEFS_MAGIC;
    out.fsid0 = this.devMinor;
  }
}

/** The inode of an anonymous pipe. */
export class PipeInode extends Inode {
  static override readonly stateType = stateType("pipefs.PipeInode", [
    "fileMode",
    "kuid",
    "kgid",
    "atimeSec",
    "atimeNsec",
    "mtimeSec",
    "mtimeNsec",
    "ctimeSec",
    "ctimeNsec",
  ]);
  fileMode: number;
  kuid: number;
  kgid: number;
  atimeSec: number;
  atimeNsec: number;
  mtimeSec: number;
  mtimeNsec: number;
  ctimeSec: number;
  ctimeNsec: number;

  constructor(fs: Filesystem, ino: number, mode: number, kuid: number, kgid: number) {
    super(fs, ino);
    this.fileMode = mode;
    this.kuid = kuid;
    this.kgid = kgid;
    const now = fs.vfs.now();
    this.atimeSec = now.sec;
    this.atimeNsec = now.nsec;
    this.mtimeSec = now.sec;
    this.mtimeNsec = now.nsec;
    this.ctimeSec = now.sec;
    this.ctimeNsec = now.nsec;
  }

  override mode(): number {
    return this.fileMode;
  }

  override uid(): number {
    return this.kuid;
  }

  override gid(): number {
    return this.kgid;
  }

  override stat(out: Statx): void {
    out.reset();
    out.mode = this.fileMode;
    out.uid = this.kuid;
    out.gid = this.kgid;
    out.ino = this.ino;
    out.atimeSec = this.atimeSec;
    out.atimeNsec = this.atimeNsec;
    out.mtimeSec = this.mtimeSec;
    out.mtimeNsec = this.mtimeNsec;
    out.ctimeSec = this.ctimeSec;
    out.ctimeNsec = this.ctimeNsec;
    out.dev = makeDeviceID(0, this.fs.devMinor);
  }

  override setStat(opts: SetStatOptions, _creds: Credentials): void {
    if ((opts.mask & ATTR_MODE) !== 0) this.fileMode = (this.fileMode & S_IFMT) | opts.mode;
    if ((opts.mask & ATTR_UID) !== 0) this.kuid = opts.uid;
    if ((opts.mask & ATTR_GID) !== 0) this.kgid = opts.gid;
    if ((opts.mask & ATTR_ATIME) !== 0) {
      this.atimeSec = opts.atimeSec;
      this.atimeNsec = opts.atimeNsec;
    }
    if ((opts.mask & ATTR_MTIME) !== 0) {
      this.mtimeSec = opts.mtimeSec;
      this.mtimeNsec = opts.mtimeNsec;
    }
    if ((opts.mask & ATTR_CTIME) !== 0) {
      this.ctimeSec = opts.ctimeSec;
      this.ctimeNsec = opts.ctimeNsec;
    }
  }

  override specialName(): string {
    return `pipe:[${this.ino}]`;
  }
}

/** pipe2(2): the read end and the write end, each with one reference. `flags`: O_NONBLOCK | O_DIRECT. */
export function newPipe(fs: PipeFS, creds: Credentials, flags: number): [FileDescription, FileDescription] {
  const inode = new PipeInode(fs, ++fs.lastIno, S_IFIFO | 0o600, creds.fsKUID, creds.fsKGID);
  const pipe = new Pipe(fs.accounting, inode, true);
  inode.fifo = pipe;
  const vd = new VirtualDentry(fs.mount, new Dentry(fs, null, "", inode));
  const status = flags & (O_NONBLOCK | O_DIRECT);
  const reader = pipe.openFifo(vd, O_RDONLY | (status & O_NONBLOCK));
  return [reader, pipe.openFifo(vd, O_WRONLY | status)];
}
