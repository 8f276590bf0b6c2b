import { O_ACCMODE, O_RDONLY, O_WRONLY } from "../../../abi/linux/file.ts";
import {
  S_IFBLK,
  S_IFCHR,
  S_IFIFO,
  S_IFMT,
  S_IFREG,
  S_IFSOCK,
  STATX_BASIC_STATS,
  UTIME_OMIT,
} from "../../../abi/linux/stat.ts";
import * as linuxerr from "../../../errors/linuxerr/index.ts";
import * as host from "../../../hostsyscall/index.ts";
import { stateType } from "../../../state/index.ts";
import {
  type Entry,
  EventErr,
  EventHUp,
  EventIn,
  EventOut,
  EventPri,
  EventRdHUp,
  EventRdNorm,
  EventWrNorm,
  Queue,
} from "../../../waiter/index.ts";
import { fillStatx, HostFile } from "../../fsutil/index.ts";
import type { Credentials } from "../../kernel/auth/index.ts";
import { type Mappable, MappingSet, type MappingSpace, type Translation } from "../../memmap/index.ts";
import type { FDListener } from "../../platform/platform.ts";
import {
  ATTR_ATIME,
  ATTR_GID,
  ATTR_MODE,
  ATTR_MTIME,
  ATTR_SIZE,
  ATTR_UID,
  type Fifo,
  type FileDescription,
  Inode,
  type SetStatOptions,
  type Statx,
  type VirtualDentry,
} from "../../vfs/index.ts";
import { HostFileDescription } from "./file_description.ts";
import type { HostFilesystem } from "./host.ts";
import { type HostTerminal, HostTTYFileDescription } from "./tty.ts";

const WATCHED = EventIn | EventOut | EventPri | EventErr | EventHUp | EventRdHUp;

/** What is behind one imported descriptor. Opening it again (through /proc/self/fd) gives another description of the same descriptor. */
export class HostInode extends Inode implements FDListener, Mappable, Fifo {
  static override readonly stateType = stateType(
    "host.Inode",
    ["hostfs", "hostFlags", "fileMode", "mayBlock", "seekable", "queue", "mappings", "terminal"],
    ["file", "nonblocking", "noNowait", "watched"],
  );
  readonly hostfs: HostFilesystem;
  readonly file: HostFile;
  /** F_GETFL at the time of import. */
  readonly hostFlags: number;
  /** Type, and permissions as last seen. */
  fileMode: number;
  /** Whether reading or writing may have to wait: not for regular files and block devices. */
  readonly mayBlock: boolean;
  readonly seekable: boolean;
  /** The host's description has O_NONBLOCK and will keep it. */
  nonblocking = false;
  /** RWF_NOWAIT is not understood. */
  noNowait = false;
  /** Registered with the watcher. */
  watched = false;
  readonly queue: Queue = new Queue();
  readonly mappings: MappingSet = new MappingSet();
  /** null: no terminal. */
  terminal: HostTerminal | null = null;

  /** hostfs.hostStat holds the descriptor's attributes. */
  constructor(fs: HostFilesystem, fd: number, hostFlags: number) {
    super(fs, fs.hostStat.ino);
    this.hostfs = fs;
    this.hostFlags = hostFlags;
    const acc = hostFlags & O_ACCMODE;
    this.file = new HostFile(fd, acc !== O_WRONLY, acc !== O_RDONLY, fs.fileIDs);
    this.fileMode = fs.hostStat.mode;
    const type = this.fileMode & S_IFMT;
    this.mayBlock = type === S_IFIFO || type === S_IFSOCK || type === S_IFCHR;
    this.seekable = fd >= 0 && host.lseek(fd, 0, 1) >= 0;
    // A FIFO of the host is opened again as itself, not as a pipe of the sandbox.
    if (type === S_IFIFO) this.fifo = this;
  }

  override mode(): number {
    return this.fileMode;
  }

  override uid(): number {
    this.fetch();
    return this.hostfs.hostStat.uid;
  }

  override gid(): number {
    this.fetch();
    return this.hostfs.hostStat.gid;
  }

  fetch(): void {
    const st = this.hostfs.hostStat;
    check(host.fstat(this.file.fd, st));
    this.fileMode = st.mode;
  }

  /** The host's values, device numbers included: the file is the host's. */
  override stat(out: Statx): void {
    if (this.file.fd < 0) {
      out.reset();
      out.mask = STATX_BASIC_STATS;
      return;
    }
    this.fetch();
    fillStatx(out, this.hostfs.hostStat, this.hostfs.hostStat.dev);
  }

  /** Only of what holds data: a terminal or a pipe of the user's is not the guest's to change. */
  override setStat(opts: SetStatOptions, _creds: Credentials): void {
    if ((this.fileMode & S_IFMT) !== S_IFREG) {
      if ((opts.mask & (ATTR_MODE | ATTR_UID | ATTR_GID | ATTR_SIZE)) !== 0) throw linuxerr.EPERM;
      return;
    }
    const fd = this.file.fd;
    if ((opts.mask & ATTR_SIZE) !== 0) {
      this.fetch();
      const old = this.hostfs.hostStat.size;
      check(host.ftruncate(fd, opts.size));
      const from = Math.ceil(opts.size / 4096) * 4096;
      if (from < old) this.mappings.invalidate(from, Math.ceil(old / 4096) * 4096, true);
    }
    if ((opts.mask & (ATTR_UID | ATTR_GID)) !== 0) {
      const uid = (opts.mask & ATTR_UID) !== 0 ? opts.uid : -1;
      check(host.fchown(fd, uid, (opts.mask & ATTR_GID) !== 0 ? opts.gid : -1));
    }
    if ((opts.mask & ATTR_MODE) !== 0) check(host.fchmod(fd, opts.mode));
    if ((opts.mask & ATTR_SIZE) === 0 && (opts.mask & (ATTR_ATIME | ATTR_MTIME)) !== 0) {
      const a = (opts.mask & ATTR_ATIME) !== 0 ? opts.atimeNsec : UTIME_OMIT;
      const m = (opts.mask & ATTR_MTIME) !== 0 ? opts.mtimeNsec : UTIME_OMIT;
      check(host.utimensat(fd, null, opts.atimeSec, a, opts.mtimeSec, m, 0));
    }
  }

  override specialName(): string {
    const type = this.fileMode & S_IFMT;
    if (type === S_IFIFO) return `pipe:[${this.ino}]`;
    if (type === S_IFSOCK) return `socket:[${this.ino}]`;
    return `host:[${this.ino}]`;
  }

  override linkRefused(): boolean {
    return true;
  }

  override sync(): void {
    check(host.fsync(this.file.fd));
  }

  // ---- opening again

  override open(vd: VirtualDentry, flags: number, _creds: Credentials): FileDescription {
    const type = this.fileMode & S_IFMT;
    if (type === S_IFSOCK) throw linuxerr.ENXIO;
    const acc = flags & O_ACCMODE;
    if ((acc !== O_WRONLY && !this.file.readable) || (acc !== O_RDONLY && !this.file.writable)) throw linuxerr.EACCES;
    if (this.terminal !== null) return new HostTTYFileDescription(vd, flags, this, this.terminal);
    const d = new HostFileDescription(vd, flags, this);
    // A regular file opened again has an offset of its own.
    if (type === S_IFREG || type === S_IFBLK) d.ownOffset = 0;
    return d;
  }

  openFifo(vd: VirtualDentry, flags: number): FileDescription {
    const acc = flags & O_ACCMODE;
    if ((acc !== O_WRONLY && !this.file.readable) || (acc !== O_RDONLY && !this.file.writable)) throw linuxerr.EACCES;
    return new HostFileDescription(vd, flags, this);
  }

  // ---- readiness

  /** Whether it can be waited for. */
  canPoll(): boolean {
    const type = this.fileMode & S_IFMT;
    return type === S_IFIFO || type === S_IFSOCK || this.terminal !== null;
  }

  /** poll(2) without waiting. */
  hostReadiness(mask: number): number {
    if (!this.mayBlock) return mask & (EventIn | EventOut | EventRdNorm | EventWrNorm);
    const set = this.hostfs.poll;
    set.set(0, this.file.fd, mask);
    const r = host.poll(set, 1, 0);
    return r > 0 ? set.revents(0) : 0;
  }

  eventRegister(e: Entry): void {
    if (!this.watched && this.canPoll()) {
      this.hostfs.watcher.watchFD(this.file.fd, WATCHED, this);
      this.watched = true;
    }
    this.queue.eventRegister(e);
  }

  eventUnregister(e: Entry): void {
    this.queue.eventUnregister(e);
  }

  fdReady(_fd: number, mask: number): void {
    let m = mask;
    if ((m & EventIn) !== 0) m |= EventRdNorm;
    if ((m & EventOut) !== 0) m |= EventWrNorm;
    this.queue.notify(m);
  }

  // ---- memmap.Mappable

  addMapping(ms: MappingSpace, start: number, end: number, offset: number, writable: boolean): void {
    this.mappings.addMapping(ms, start, end, offset, writable);
  }

  removeMapping(ms: MappingSpace, start: number, end: number, offset: number, writable: boolean): void {
    this.mappings.removeMapping(ms, start, end, offset, writable);
  }

  translate(start: number, end: number, optionalEnd: number, access: number): Translation[] {
    this.fetch();
    return this.file.translate(start, end, optionalEnd, access, this.hostfs.hostStat.size);
  }

  override release(): void {
    if (this.watched) this.hostfs.watcher.unwatchFD(this.file.fd);
    this.watched = false;
    this.terminal?.inodeReleased(this);
    this.file.decUsers();
  }
}

function check(r: number): void {
  if (r < 0) throw linuxerr.fromErrno(-r);
}
