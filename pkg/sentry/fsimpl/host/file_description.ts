import * as errno from "../../../abi/linux/errno.ts";
import {
  O_APPEND,
  O_DSYNC,
  O_SYNC,
  PIPE_BUF,
  RWF_APPEND,
  RWF_DSYNC,
  RWF_NOWAIT,
  RWF_SYNC,
  SEEK_CUR,
  SEEK_END,
  SEEK_SET,
} from "../../../abi/linux/file.ts";
import { FIONREAD } from "../../../abi/linux/ioctl.ts";
import { S_IFIFO, S_IFMT, S_IFREG } from "../../../abi/linux/stat.ts";
import * as linuxerr from "../../../errors/linuxerr/index.ts";
import * as host from "../../../hostsyscall/index.ts";
import { type StateType, stateType } from "../../../state/index.ts";
import { type Entry, EventIn, EventOut } from "../../../waiter/index.ts";
import { MAX_HOST_IO } from "../../fsutil/index.ts";
import type { IOJob } from "../../iopool/index.ts";
import type { SyscallArguments } from "../../kernel/syscalls.ts";
import type { Task } from "../../kernel/task.ts";
import type { MMapOpts } from "../../memmap/index.ts";
import type { IOSequence } from "../../usermem/index.ts";
import { FileDescription, type VirtualDentry } from "../../vfs/index.ts";
import type { HostInode } from "./inode.ts";

/** Most bytes one write moves to a stream before it lets others run. */
const MAX_STREAM_WRITE = 1024 * 1024;
/** Room a terminal has at least when poll(2) says that it can be written: WAKEUP_CHARS of the line discipline. */
const TERMINAL_CHUNK = 256;

/** An open description of an imported descriptor. Its position is the host's, which processes outside may share. */
export class HostFileDescription extends FileDescription {
  static override readonly stateType: StateType = stateType("host.FileDescription", ["host", "ownOffset"]);
  readonly host: HostInode;
  /** The position of a file that was opened again; -1: that of the host's description. */
  ownOffset = -1;

  constructor(vd: VirtualDentry, flags: number, inode: HostInode) {
    super(vd, flags);
    this.host = inode;
    inode.incRef();
  }

  override release(): void {
    super.release();
    this.host.decRef();
  }

  get fd(): number {
    return this.host.file.fd;
  }

  // ---- data

  override read(dst: IOSequence): number {
    if (this.host.mayBlock) return this.readStream(dst);
    return this.readFile(dst);
  }

  override write(src: IOSequence): number {
    if (this.host.mayBlock) return this.writeStream(src);
    return this.writeFile(src);
  }

  /** One read of what is there: bytes, 0 at the end, or a negative errno. */
  readStream(dst: IOSequence): number {
    const h = this.host;
    const io = h.hostfs.io;
    if (h.nonblocking) return thrown(io.read(this.fd, dst, -1, 0));
    if (!h.noNowait) {
      const n = io.read(this.fd, dst, -1, RWF_NOWAIT);
      if (n !== -errno.EOPNOTSUPP) return thrown(n);
      h.noNowait = true;
    }
    if (h.hostReadiness(EventIn) === 0) return -errno.EAGAIN;
    return thrown(io.read(this.fd, dst, -1, 0));
  }

  /** Writes what there is room for. */
  writeStream(src: IOSequence): number {
    const h = this.host;
    const io = h.hostfs.io;
    let done = 0;
    do {
      const left = src.numBytes();
      let n = -errno.EOPNOTSUPP;
      let piece = Math.min(left, MAX_HOST_IO);
      if (h.nonblocking) n = io.writeAtMost(this.fd, src, -1, 0, piece);
      else if (!h.noNowait) {
        n = io.writeAtMost(this.fd, src, -1, RWF_NOWAIT, piece);
        if (n === -errno.EOPNOTSUPP) h.noNowait = true;
      }
      if (n === -errno.EOPNOTSUPP && h.noNowait) {
        // What fits for certain, once there is any room.
        piece = Math.min(left, (h.fileMode & S_IFMT) === S_IFIFO ? PIPE_BUF : TERMINAL_CHUNK);
        n = h.hostReadiness(EventOut) === 0 ? -errno.EAGAIN : io.writeAtMost(this.fd, src, -1, 0, piece);
      }
      if (n < 0) return done > 0 ? done : thrown(n);
      done += n;
      if (n < piece) break;
    } while (src.numBytes() > 0 && done < MAX_STREAM_WRITE);
    return done;
  }

  readFile(dst: IOSequence): number {
    const io = this.host.hostfs.io;
    if (this.ownOffset >= 0) {
      const n = thrown(io.read(this.fd, dst, this.ownOffset, 0));
      this.ownOffset += Math.max(n, 0);
      return n;
    }
    let done = 0;
    for (;;) {
      const want = Math.min(dst.numBytes(), MAX_HOST_IO);
      const n = io.read(this.fd, dst, -1, 0);
      if (n < 0) return done > 0 ? done : thrown(n);
      done += n;
      if (n === 0 || n < want || dst.numBytes() === 0) return done;
    }
  }

  writeFile(src: IOSequence): number {
    const io = this.host.hostfs.io;
    const flags = this.writeFlags();
    if (this.ownOffset >= 0) {
      const n = thrown(io.write(this.fd, src, this.ownOffset, flags));
      if ((flags & RWF_APPEND) !== 0) this.ownOffset = this.size();
      else this.ownOffset += Math.max(n, 0);
      return n;
    }
    let done = 0;
    for (;;) {
      const n = io.write(this.fd, src, -1, flags);
      if (n < 0) return done > 0 ? done : thrown(n);
      done += n;
      if (n === 0 || src.numBytes() === 0) return done;
    }
  }

  writeFlags(): number {
    let flags = 0;
    if ((this.statusFlags & O_APPEND) !== 0) flags |= RWF_APPEND;
    if ((this.statusFlags & O_SYNC) === O_SYNC) flags |= RWF_SYNC;
    else if ((this.statusFlags & O_DSYNC) !== 0) flags |= RWF_DSYNC;
    return flags;
  }

  override pread(dst: IOSequence, offset: number): number {
    if (!this.host.seekable) throw linuxerr.ESPIPE;
    return thrown(this.host.hostfs.io.read(this.fd, dst, offset, 0));
  }

  override pwrite(src: IOSequence, offset: number): number {
    if (!this.host.seekable) throw linuxerr.ESPIPE;
    return thrown(this.host.hostfs.io.write(this.fd, src, offset, this.writeFlags()));
  }

  override canSeek(): boolean {
    return this.host.seekable;
  }

  override seek(offset: number, whence: number): number {
    if (!this.host.seekable) throw linuxerr.ESPIPE;
    let off = offset;
    let how = whence;
    if (this.ownOffset >= 0) {
      if (whence === SEEK_SET || whence === SEEK_CUR || whence === SEEK_END) {
        if (whence === SEEK_CUR) off += this.ownOffset;
        else if (whence === SEEK_END) off += this.size();
        if (off < 0) throw linuxerr.EINVAL;
        this.ownOffset = off;
        return off;
      }
      // SEEK_DATA and SEEK_HOLE: ask the host, and put its position back.
      const before = thrown(host.lseek(this.fd, 0, SEEK_CUR));
      const r = host.lseek(this.fd, off, how);
      host.lseek(this.fd, before, SEEK_SET);
      this.ownOffset = thrown(r);
      return r;
    }
    how = whence;
    return thrown(host.lseek(this.fd, off, how));
  }

  override position(): number {
    if (this.ownOffset >= 0) return this.ownOffset;
    return this.host.seekable ? Math.max(0, host.lseek(this.fd, 0, SEEK_CUR)) : 0;
  }

  size(): number {
    this.host.fetch();
    return this.host.hostfs.hostStat.size;
  }

  override sync(): void {
    thrown(host.fsync(this.fd));
  }

  override startSync(dataOnly: boolean): IOJob | null {
    const { file, hostfs } = this.host;
    const pool = hostfs.vfs.ioPool;
    if (pool === null) return null;
    file.incUsers();
    const job = pool.sync(file, file.fd, dataOnly);
    if (job === null) file.decUsers();
    return job;
  }

  override allocate(mode: number, offset: number, length: number): void {
    thrown(host.fallocate(this.fd, mode, offset, length));
  }

  override ioctl(t: Task, cmd: number, args: SyscallArguments): number {
    if (cmd !== FIONREAD || !this.host.canPoll()) throw linuxerr.ENOTTY;
    const buf = this.host.hostfs.ioctlBuffer;
    thrown(host.ioctl(this.fd, FIONREAD, buf));
    t.copyOut(args.u64(2), buf, 0, 4);
    return 0;
  }

  override configureMMap(opts: MMapOpts): void {
    if ((this.host.fileMode & S_IFMT) !== S_IFREG) throw linuxerr.ENODEV;
    opts.mappable = this.host;
    opts.mappingIdentity = this;
    this.incRef();
  }

  override msyncRange(_start: number, _end: number): void {
    if (this.host.file.writable) thrown(host.fdatasync(this.fd));
  }

  // ---- readiness

  override canPoll(): boolean {
    return this.host.canPoll();
  }

  override readiness(mask: number): number {
    return this.host.hostReadiness(mask);
  }

  override eventRegister(e: Entry): void {
    this.host.eventRegister(e);
  }

  override eventUnregister(e: Entry): void {
    this.host.eventUnregister(e);
  }
}

/** The results that reads and writes return pass; other errors of the host are thrown. */
export function thrown(n: number): number {
  if (n >= 0 || n === -errno.EAGAIN || n === -errno.EPIPE) return n;
  throw linuxerr.fromErrno(-n);
}
