import * as errno from "../../../abi/linux/errno.ts";
import { SOCKFS_MAGIC } from "../../../abi/linux/fs.ts";
import { S_IFDIR, S_IFSOCK } from "../../../abi/linux/stat.ts";
import { stateType } from "../../../state/index.ts";
import type { Credentials } from "../../kernel/auth/index.ts";
import {
  Dentry,
  Filesystem,
  MemoryInode,
  type Mount,
  type Statfs,
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
export class SocketInode extends MemoryInode {
  static override readonly stateType = stateType("sockfs.SocketInode", ["protocolName"]);
  readonly protocolName: string;

  constructor(fs: Filesystem, ino: number, mode: number, kuid: number, kgid: number, protocolName: string) {
    super(fs, ino, mode, kuid, kgid);
    this.protocolName = protocolName;
    this.atimeSec = 0;
    this.atimeNsec = 0;
    this.mtimeSec = 0;
    this.mtimeNsec = 0;
    this.ctimeSec = 0;
    this.ctimeNsec = 0;
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
