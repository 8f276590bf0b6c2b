import { O_DIRECT } from "../../../abi/linux/file.ts";
import { FIONREAD } from "../../../abi/linux/ioctl.ts";
import * as linuxerr from "../../../errors/linuxerr/index.ts";
import { stateType } from "../../../state/index.ts";
import {
  type Entry,
  EventErr,
  EventHUp,
  EventIn,
  EventOut,
  EventRdNorm,
  EventWrNorm,
  type Queue,
} from "../../../waiter/index.ts";
import type { SyscallArguments } from "../../kernel/syscalls.ts";
import type { Task } from "../../kernel/task.ts";
import type { IOSequence } from "../../usermem/index.ts";
import { FileDescription, type VirtualDentry } from "../../vfs/index.ts";
import type { Pipe } from "./pipe.ts";

/** An open end of a pipe or FIFO, or both ends. */
export class PipeFileDescription extends FileDescription {
  static override readonly stateType = stateType("pipefs.PipeFileDescription", [
    "pipe",
    "seenWriters",
    "waitsFor",
    "waitsForPartner",
  ]);
  readonly pipe: Pipe;
  /** The pipe's writerCounter up to which hang-ups are not shown; 0: all are. */
  seenWriters = 0;
  /** The other end's counter when this open began to wait. */
  waitsFor = 0;
  waitsForPartner = false;

  constructor(vd: VirtualDentry, flags: number, pipe: Pipe) {
    super(vd, flags);
    this.pipe = pipe;
    pipe.addEnds(this.readable, this.writable);
  }

  override release(): void {
    this.pipe.dropEnds(this.readable, this.writable);
    super.release();
  }

  /** open(2) is not over before the other end's counter has moved. */
  awaitPartner(counter: number): void {
    this.waitsFor = counter;
    this.waitsForPartner = true;
  }

  override openReady(): boolean {
    if (!this.waitsForPartner) return true;
    const counter = this.readable ? this.pipe.writerCounter : this.pipe.readerCounter;
    if (counter === this.waitsFor) return false;
    this.waitsForPartner = false;
    return true;
  }

  override openQueue(): Queue | null {
    return this.pipe.partners;
  }

  override read(dst: IOSequence): number {
    return this.pipe.read(dst);
  }

  override write(src: IOSequence): number {
    return this.pipe.write(src, (this.statusFlags & O_DIRECT) !== 0);
  }

  override canPoll(): boolean {
    return true;
  }

  override readiness(mask: number): number {
    const p = this.pipe;
    let r = 0;
    if (this.readable) {
      if (p.used > 0) r |= EventIn | EventRdNorm;
      if (p.writers === 0 && p.writerCounter !== this.seenWriters) r |= EventHUp;
    }
    if (this.writable) {
      if (p.used < p.slots) r |= EventOut | EventWrNorm;
      if (p.readers === 0) r |= EventErr;
    }
    return r & (mask | EventErr | EventHUp);
  }

  override eventRegister(e: Entry): void {
    this.pipe.queue.eventRegister(e);
  }

  override eventUnregister(e: Entry): void {
    this.pipe.queue.eventUnregister(e);
  }

  override ioctl(t: Task, cmd: number, args: SyscallArguments): number {
    if (cmd !== FIONREAD) throw linuxerr.ENOTTY;
    t.copyOutU32(args.u64(2), this.pipe.queued());
    return 0;
  }
}
