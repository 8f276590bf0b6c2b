import { ANON_INODE_FS_MAGIC } from "../../../abi/linux/fs.ts";
import { makeDeviceID } from "../../../abi/linux/stat.ts";
import { stateType } from "../../../state/index.ts";
import {
  Dentry,
  Filesystem,
  Inode,
  type Mount,
  type Statfs,
  type Statx,
  VirtualDentry,
  type VirtualFilesystem,
} from "../../vfs/index.ts";

const ROOT_INO = 1;
/** Linux has one inode for all kinds. */
const SHARED_INO = 2;

/** The internal filesystem of anonymous inodes. */
export class AnonFS extends Filesystem {
  static override readonly stateType = stateType("anonfs.AnonFS", ["mount", "places"]);
  override readonly type = "anon_inodefs";
  readonly mount: Mount;
  /** By name. */
  readonly places: Map<string, VirtualDentry> = new Map();

  constructor(vfs: VirtualFilesystem) {
    super(vfs);
    this.setRoot(new AnonInode(this, ROOT_INO, ""));
    this.mount = vfs.newInternalMount(this);
  }

  /** The place of descriptions of one kind, e.g. "[eventfd]"; shown as "anon_inode:[eventfd]". All of a kind share it. */
  place(name: string): VirtualDentry {
    const known = this.places.get(name);
    if (known !== undefined) return known;
    const vd = new VirtualDentry(this.mount, new Dentry(this, null, "", new AnonInode(this, SHARED_INO, name)));
    vd.incRef();
    this.places.set(name, vd);
    return vd;
  }

  override statFS(out: Statfs): void {
    out.type = ANON_INODE_FS_MAGIC;
    out.fsid0 = this.devMinor;
  }
}

/** An anonymous inode. */
export class AnonInode extends Inode {
  static override readonly stateType = stateType("anonfs.AnonInode", ["name"]);
  readonly name: string;

  constructor(fs: Filesystem, ino: number, name: string) {
    super(fs, ino);
    this.name = name;
  }

  /** No file type: that is how Linux shows them. */
  override mode(): number {
    return 0o600;
  }

  override uid(): number {
    return 0;
  }

  override gid(): number {
    return 0;
  }

  override stat(out: Statx): void {
    out.reset();
    out.mode = 0o600;
    out.ino = this.ino;
    out.dev = makeDeviceID(0, this.fs.devMinor);
  }

  override specialName(): string {
    return `anon_inode:${this.name}`;
  }
}
