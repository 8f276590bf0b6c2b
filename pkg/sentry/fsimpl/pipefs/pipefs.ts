import { O_DIRECT, O_NONBLOCK, O_RDONLY, O_WRONLY } from "../../../abi/linux/file.ts";
import { PIPEFS_MAGIC } from "../../../abi/linux/fs.ts";
import { S_IFDIR, S_IFIFO } from "../../../abi/linux/stat.ts";
import { stateType } from "../../../state/index.ts";
import type { Credentials } from "../../kernel/auth/index.ts";
import {
  Dentry,
  type Fifo,
  type FifoFactory,
  type FileDescription,
  Filesystem,
  type Inode,
  MemoryInode,
  type Mount,
  type Statfs,
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
export class PipeInode extends MemoryInode {
  static override readonly stateType = stateType("pipefs.PipeInode", []);

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
