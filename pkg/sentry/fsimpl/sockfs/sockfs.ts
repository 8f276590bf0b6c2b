import * as errno from "../../../abi/linux/errno.ts";
import { SOCKFS_MAGIC } from "../../../abi/linux/fs.ts";
import { makeDeviceID, S_IFDIR, S_IFMT, S_IFSOCK } from "../../../abi/linux/stat.ts";
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
  Filesystem,
  Inode,
  type Mount,
  type SetStatOptions,
  type Statfs,
  type Statx,
  VirtualDentry,
  type VirtualFilesystem,
} from "../../vfs/index.ts";

/** The extended attribute that names a socket's protocol. */
const XATTR_PROTONAME = "system.sockprotoname";

/** The internal filesystem of sockets. One per kernel. */
export class SockFS extends Filesystem {
  static override readonly stateType = stateType("sockfs.SockFS", ["mount", "lastIno"]);
  override readonly type = "sockfs";
  lastIno = 1;
  /** Where all sockets are. */
  readonly mount: Mount;

  constructor(vfs: VirtualFilesystem) {
    super(vfs);
    this.setRoot(new SocketInode(this, this.lastIno++, S_IFDIR | 0o777, 0, 0, ""));
    this.mount = vfs.newInternalMount(this);
  }

  /** The place of a new socket. `protocolName` as in /proc/net/protocols. */
  newPlace(creds: Credentials, protocolName: string): VirtualDentry {
    const ino = ++this.lastIno;
    const inode = new SocketInode(this, ino, S_IFSOCK | 0o777, creds.fsKUID, creds.fsKGID, protocolName);
    return new VirtualDentry(this.mount, new Dentry(this, null, "", inode));
  }

  override statFS(out: Statfs): void {
    out.type = SOCKFS_MAGIC;
    out.fsid0 = this.devMinor;
  }
}

/** The inode of a socket. Its times are 0 until they are set. */
export class SocketInode extends Inode {
  static override readonly stateType = stateType("sockfs.SocketInode", [
    "fileMode",
    "kuid",
    "kgid",
    "protocolName",
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
  readonly protocolName: string;
  atimeSec = 0;
  atimeNsec = 0;
  mtimeSec = 0;
  mtimeNsec = 0;
  ctimeSec = 0;
  ctimeNsec = 0;

  constructor(fs: Filesystem, ino: number, mode: number, kuid: number, kgid: number, protocolName: string) {
    super(fs, ino);
    this.fileMode = mode;
    this.kuid = kuid;
    this.kgid = kgid;
    this.protocolName = protocolName;
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
    return `socket:[${this.ino}]`;
  }

  override getXattr(name: string, _creds: Credentials): string | number {
    return name === XATTR_PROTONAME ? `${this.protocolName}\0` : -errno.EOPNOTSUPP;
  }

  override listXattr(_creds: Credentials): string[] {
    return [XATTR_PROTONAME];
  }
}
