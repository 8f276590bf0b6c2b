import { SEEK_CUR, SEEK_SET } from "../../../abi/linux/file.ts";
import { stateType } from "../../../state/index.ts";
import type { Queue } from "../../../waiter/index.ts";
import type { IOJob } from "../../iopool/index.ts";
import type { Credentials } from "../../kernel/auth/index.ts";
import type { SyscallArguments } from "../../kernel/syscalls.ts";
import type { Task } from "../../kernel/task.ts";
import type { MMapOpts } from "../../memmap/index.ts";
import type { IOSequence } from "../../usermem/index.ts";
import { FileDescription, type VirtualDentry } from "../../vfs/index.ts";
import { mappableOf, type OverlayRegularFile, type PendingCopyUp } from "./regular_file.ts";

/** An open regular file: a description in the layer where the file is. When the file is copied up, the description moves along. */
export class OverlayFileDescription extends FileDescription {
  static override readonly stateType = stateType("overlay.FileDescription", [
    "file",
    "real",
    "isUpper",
    "creds",
    "pending",
  ]);
  readonly file: OverlayRegularFile;
  /** Use through current(). */
  real: FileDescription;
  isUpper: boolean;
  /** Who opened it. */
  readonly creds: Credentials;
  /** The copy-up that the opener has to wait for. */
  pending: PendingCopyUp | null = null;

  constructor(vd: VirtualDentry, flags: number, file: OverlayRegularFile, real: FileDescription, creds: Credentials) {
    super(vd, flags);
    this.file = file;
    this.real = real;
    this.isUpper = file.upper !== null;
    this.creds = creds;
  }

  /** The description in the layer where the file is now. */
  current(): FileDescription {
    const upper = this.file.upper;
    if (!this.isUpper && upper !== null) {
      const place = this.file.overlay.upperPlace(upper);
      const next = upper.inode.open(place, this.statusFlags, this.creds);
      next.seek(this.real.seek(0, SEEK_CUR), SEEK_SET);
      this.real.decRef();
      this.real = next;
      this.isUpper = true;
    }
    return this.real;
  }

  override openReady(): boolean {
    const p = this.pending;
    if (p === null) return true;
    if (!p.done) return false;
    if (p.error !== null) throw p.error;
    this.pending = null;
    return true;
  }

  override openQueue(): Queue | null {
    return this.pending?.queue ?? null;
  }

  override release(): void {
    this.real.decRef();
    super.release();
  }

  override read(dst: IOSequence, noWait = false): number {
    return this.current().read(dst, noWait);
  }

  override write(src: IOSequence): number {
    return this.current().write(src);
  }

  override pread(dst: IOSequence, offset: number, noWait = false): number {
    return this.current().pread(dst, offset, noWait);
  }

  override pwrite(src: IOSequence, offset: number): number {
    return this.current().pwrite(src, offset);
  }

  override canSeek(): boolean {
    return true;
  }

  override seek(offset: number, whence: number): number {
    return this.current().seek(offset, whence);
  }

  override position(): number {
    return this.current().position();
  }

  override sync(): void {
    this.current().sync();
  }

  override startFetch(offset: number, length: number): IOJob | null {
    return this.current().startFetch(offset, length);
  }

  override startSync(dataOnly: boolean): IOJob | null {
    return this.current().startSync(dataOnly);
  }

  override allocate(mode: number, offset: number, length: number): void {
    this.current().allocate(mode, offset, length);
  }

  override ioctl(t: Task, cmd: number, args: SyscallArguments): number {
    return this.current().ioctl(t, cmd, args);
  }

  override setStatusFlags(flags: number): void {
    this.current().setStatusFlags(flags);
    super.setStatusFlags(flags);
  }

  override configureMMap(opts: MMapOpts): void {
    const real = this.current();
    // What a layer cannot map, the overlay cannot: ENODEV.
    mappableOf(real.inode);
    opts.mappable = this.file;
    opts.mappingIdentity = this;
    this.incRef();
  }

  override msyncRange(start: number, end: number): void {
    this.current().msyncRange(start, end);
  }
}
