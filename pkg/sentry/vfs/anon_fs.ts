import { ANON_INODE_FS_MAGIC, MS_STRICTATIME } from "../../abi/linux/fs.ts";
import { makeDeviceID } from "../../abi/linux/stat.ts";
import * as linuxerr from "../../errors/linuxerr/index.ts";
import { stateType } from "../../state/index.ts";
import { Dentry } from "./dentry.ts";
import { Filesystem } from "./filesystem.ts";
import { Inode } from "./inode.ts";
import type { Mount } from "./mount.ts";
import type { Statfs, Statx } from "./options.ts";
import type { VirtualFilesystem } from "./vfs.ts";
import { VirtualDentry } from "./virtual_dentry.ts";

/** Linux has one inode for all kinds. */
const SHARED_INO = 2;

/** The filesystem of files that are only descriptors: epoll instances, eventfds, timerfds, signalfds, pidfds. */
export class AnonFilesystem extends Filesystem {
  static override readonly stateType = stateType("vfs.AnonFilesystem", ["mount", "places"]);
  override readonly type = "anon_inodefs";
  mount: Mount;
  /** By name; made at first use and kept. */
  places: Map<string, VirtualDentry> = new Map();

  constructor(vfs: VirtualFilesystem) {
    super(vfs);
    const root = this.setRoot(new AnonInode(this, 1, ""));
    this.mount = vfs.newDisconnectedMount(this, root, "", MS_STRICTATIME);
    this.mount.refs++;
  }

  /** The place all files of one kind share, `name` as in "[eventfd]". As on Linux they share an inode too. */
  place(name: string): VirtualDentry {
    let vd = this.places.get(name);
    if (vd === undefined) {
      const d = new Dentry(this, null, name, new AnonInode(this, SHARED_INO, name));
      vd = new VirtualDentry(this.mount, d);
      vd.incRef();
      this.places.set(name, vd);
    }
    return vd;
  }

  override statFS(out: Statfs): void {
    out.type = ANON_INODE_FS_MAGIC;
  }
}

/** The inode of one kind of anonymous file. */
export class AnonInode extends Inode {
  static override readonly stateType = stateType("vfs.AnonInode", ["name"]);
  readonly name: string;

  constructor(fs: AnonFilesystem, ino: number, name: string) {
    super(fs, ino);
    this.name = name;
  }

  override mode(): number {
    return 0o600;
  }

  override uid(): number {
    return 0;
  }

  override gid(): number {
    return 0;
  }

  override setStat(): void {
    throw linuxerr.EOPNOTSUPP;
  }

  override specialName(): string {
    return `anon_inode:${this.name}`;
  }

  override stat(out: Statx): void {
    out.reset();
    out.mode = 0o600;
    out.ino = this.ino;
    out.dev = makeDeviceID(0, this.fs.devMinor);
  }
}
