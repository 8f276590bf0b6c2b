import {
  F_GETFL,
  F_SETFL,
  O_ACCMODE,
  O_APPEND,
  O_DIRECT,
  O_DSYNC,
  O_LARGEFILE,
  O_NONBLOCK,
  O_PATH,
  O_SYNC,
} from "../../../abi/linux/file.ts";
import { ANON_INODE_FS_MAGIC } from "../../../abi/linux/fs.ts";
import { TCGETS } from "../../../abi/linux/ioctl.ts";
import { S_IFCHR, S_IFDIR, S_IFMT } from "../../../abi/linux/stat.ts";
import * as linuxerr from "../../../errors/linuxerr/index.ts";
import * as host from "../../../hostsyscall/index.ts";
import { stateType } from "../../../state/index.ts";
import { HostIO } from "../../fsutil/index.ts";
import type { FileIDs } from "../../memmap/index.ts";
import type { FDListener } from "../../platform/platform.ts";
import {
  Dentry,
  type FileDescription,
  Filesystem,
  type Mount,
  type Statfs,
  VirtualDentry,
  type VirtualFilesystem,
} from "../../vfs/index.ts";
import { HostFileDescription } from "./file_description.ts";
import { HostInode } from "./inode.ts";
import { HostTerminal, HostTTYFileDescription } from "./tty.ts";

/** Who tells of host descriptors becoming ready: the platform. */
export interface FDWatcher {
  /** Edge-triggered. Throws EPERM for what cannot be waited for. */
  watchFD(fd: number, mask: number, listener: FDListener): void;
  unwatchFD(fd: number): void;
}

/** How a descriptor is imported. */
export interface ImportOptions {
  /**
   * Nobody else has the open description, so that it may be made non-blocking. Otherwise every use asks for readiness first, which leaves a
   * small window in which another process can take the data and the sentry waits for more.
   */
  exclusiveDescription?: boolean;
  /** A terminal is only bytes: no terminal ioctls, isatty(3) is false. */
  hideTerminal?: boolean;
}

/** The filesystem that imported descriptors are on. One per kernel, never mounted anywhere. */
export class HostFilesystem extends Filesystem {
  static override readonly stateType = stateType(
    "host.Filesystem",
    ["fileIDs", "mount", "terminals", "lastIno"],
    ["watcher", "io", "hostStat", "poll", "ioctlBuffer"],
  );
  override readonly type = "hostfs";
  readonly watcher: FDWatcher;
  readonly fileIDs: FileIDs;
  readonly mount: Mount;
  /** By the host's device number: descriptors of one terminal share it. */
  readonly terminals: Map<number, HostTerminal> = new Map();
  lastIno = 0;
  /** Scratch objects: nothing in them outlives a call. */
  readonly io: HostIO = new HostIO();
  readonly hostStat: host.HostStat = new host.HostStat();
  readonly poll: host.PollSet = new host.PollSet(1);
  readonly ioctlBuffer: Uint8Array<ArrayBuffer> = new Uint8Array(new ArrayBuffer(64));

  constructor(vfs: VirtualFilesystem, watcher: FDWatcher, fileIDs: FileIDs) {
    super(vfs);
    this.watcher = watcher;
    this.fileIDs = fileIDs;
    const st = this.hostStat;
    st.words.fill(0);
    const root = this.setRoot(new HostInode(this, -1, 0));
    this.mount = vfs.newDisconnectedMount(this, root, "", 0);
    this.mount.refs++;
  }

  /**
   * A description for a host descriptor, which belongs to it from now on. Read and write permission, O_APPEND and O_NONBLOCK are those of
   * the host's description. EBADF; EINVAL for a directory.
   */
  newFD(fd: number, opts: ImportOptions = {}): FileDescription {
    const hostFlags = host.fcntl(fd, F_GETFL);
    if (hostFlags < 0) throw linuxerr.fromErrno(-hostFlags);
    const st = this.hostStat;
    const r = host.fstat(fd, st);
    if (r < 0) throw linuxerr.fromErrno(-r);
    if ((hostFlags & O_PATH) !== 0 || (st.mode & S_IFMT) === S_IFDIR) throw linuxerr.EINVAL;
    const inode = new HostInode(this, fd, hostFlags);
    if (opts.exclusiveDescription === true && inode.mayBlock && (hostFlags & O_NONBLOCK) === 0) {
      inode.nonblocking = host.fcntl(fd, F_SETFL, hostFlags | O_NONBLOCK) === 0;
    }
    const shown = hostFlags & (O_ACCMODE | O_APPEND | O_NONBLOCK | O_DSYNC | O_SYNC | O_DIRECT | O_LARGEFILE);
    const d = new Dentry(this, null, "", inode);
    const vd = new VirtualDentry(this.mount, d);
    const isTerminal = (st.mode & S_IFMT) === S_IFCHR && host.ioctl(fd, TCGETS, this.ioctlBuffer) === 0;
    if (!isTerminal || opts.hideTerminal === true) return new HostFileDescription(vd, shown, inode);
    inode.terminal = this.terminalOf(inode);
    return new HostTTYFileDescription(vd, shown, inode, inode.terminal);
  }

  /** The terminal behind an inode. */
  terminalOf(inode: HostInode): HostTerminal {
    const st = this.hostStat;
    host.fstat(inode.file.fd, st);
    let t = this.terminals.get(st.rdev);
    if (t === undefined) {
      t = new HostTerminal(this, st.rdev);
      this.terminals.set(st.rdev, t);
    }
    t.inodes.add(inode);
    return t;
  }

  override statFS(out: Statfs): void {
    out.type = ANON_INODE_FS_MAGIC;
  }
}
