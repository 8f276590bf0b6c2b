import type { StateType } from "../../state/index.ts";
import { stateType } from "../../state/index.ts";
import type { IOJob } from "../iopool/index.ts";
import type { Credentials, UserNamespace } from "../kernel/auth/index.ts";
import { Dentry } from "./dentry.ts";
import type { Inode } from "./inode.ts";
import type { Statfs } from "./options.ts";
import type { VirtualFilesystem } from "./vfs.ts";

/** A filesystem instance: what statfs(2) speaks of (Linux's super_block). Any number of mounts may show it. */
export abstract class Filesystem {
  static readonly stateType: StateType = stateType("vfs.Filesystem", [
    "type",
    "vfs",
    "devMinor",
    "root",
    "mounts",
    "readOnly",
    "revalidates",
    "steady",
    "missingFor",
    "userNamespace",
  ]);
  readonly vfs: VirtualFilesystem;
  /** Minor of the anonymous device number (major 0) that st_dev of its files shows. */
  readonly devMinor: number;
  /** Set once by the constructor of the subclass, with setRoot(). */
  root: Dentry | null = null;
  /** Mounts that show it; at zero it is released. */
  mounts = 0;
  /** The whole instance is read-only (MS_RDONLY at its first mount), whatever the mounts say. */
  readOnly = false;
  /** A dentry found in memory may be stale: inode.revalidate() is asked at each use. Set by the constructor of a subclass. */
  revalidates = false;
  /**
   * Names and permissions are what the vfs and setStat made them, or (when revalidates) what Inode.validUntil vouches for; the permission check is the
   * usual one. Set by the constructor of a subclass.
   */
  steady = false;
  /**
   * Milliseconds for which a name that a lookup did not find is known to be missing; names are then made through dentries of this
   * filesystem only, or such a delay is accepted. 0: ask at each use.
   */
  missingFor = 0;

  /**
   * The user namespace it was mounted in; null: the first one. Files of its are owned by ids of that namespace, its devices cannot be opened,
   * and set-id bits count only within it.
   */
  userNamespace: UserNamespace | null = null;

  constructor(vfs: VirtualFilesystem) {
    this.vfs = vfs;
    this.devMinor = vfs.newAnonDevMinor();
  }

  /** Type name as /proc/self/mountinfo shows it, e.g. "tmpfs". */
  abstract readonly type: string;

  /** Whether device nodes cannot be opened whatever the mount's flags say: a user namespace could make any. */
  refusesDevices(): boolean {
    return this.userNamespace !== null;
  }

  /** Fills everything but the mount flags. */
  abstract statFS(out: Statfs): void;

  /** Type-specific options for /proc/self/mountinfo, comma-separated, without ro/rw; may be empty. */
  mountOptions(): string {
    return "";
  }

  /** syncfs(2). */
  sync(): void {}

  /** As sync(), on another thread; null when that is not to be had, or needless: call sync(). */
  startSync(): IOJob | null {
    return null;
  }

  /** The last mount is gone and nobody holds a file: frees host resources. */
  release(): void {}

  /** Installs the root directory. */
  setRoot(inode: Inode): Dentry {
    const d = new Dentry(this, null, "", inode);
    d.hashed = true;
    this.root = d;
    return d;
  }

  /** The root dentry of a filesystem that has been set up. */
  rootDentry(): Dentry {
    if (this.root === null) throw new Error(`vfs: filesystem ${this.type} has no root`);
    return this.root;
  }
}

/** What mount(2) gives to a filesystem type. */
export interface GetFilesystemOptions {
  /** The data argument: comma-separated options, a byte string. */
  data: string;
  /** Further arguments from inside the sentry (an open host directory, the layers of an overlay), of a class the type knows. */
  internalData: object | null;
  /** MS_RDONLY and friends. */
  flags: number;
}

/** A named kind of filesystem, registered with VirtualFilesystem.registerFilesystemType. */
export interface FilesystemType {
  readonly name: string;
  /** Needs a device or other source: no "nodev" in /proc/filesystems. */
  readonly requiresDevice: boolean;
  /** May be mounted by a guest with mount(2). */
  readonly allowUserMount: boolean;
  /** Shown in /proc/filesystems. */
  readonly allowUserList: boolean;
  /**
   * The user namespace in which mounting it takes CAP_SYS_ADMIN, and which it then belongs to (FS_USERNS_MOUNT); absent or
   * null: the first one.
   */
  userNamespace?(creds: Credentials, vfs: VirtualFilesystem): UserNamespace | null;
  /** A mount of it may not show more than the mounts there are (SB_I_USERNS_VISIBLE). */
  readonly userVisible?: boolean;
  /** Makes an instance, or returns a shared one (which an internal mount keeps alive). Throws EINVAL for bad options. */
  getFilesystem(vfs: VirtualFilesystem, creds: Credentials, source: string, opts: GetFilesystemOptions): Filesystem;
}
