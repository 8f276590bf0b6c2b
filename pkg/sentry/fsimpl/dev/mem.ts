import { CAP_SYS_ADMIN } from "../../../abi/linux/capability.ts";
import * as errno from "../../../abi/linux/errno.ts";
import { RNDADDENTROPY, RNDADDTOENTCNT, RNDCLEARPOOL, RNDGETENTCNT, RNDRESEEDCRNG } from "../../../abi/linux/ioctl.ts";
import * as linuxerr from "../../../errors/linuxerr/index.ts";
import * as host from "../../../hostsyscall/index.ts";
import { type StateType, setFields, stateType } from "../../../state/index.ts";
import type { Entry } from "../../../waiter/index.ts";
import type { Credentials } from "../../kernel/auth/index.ts";
import type { SyscallArguments } from "../../kernel/syscalls.ts";
import type { Task } from "../../kernel/task.ts";
import type { MMapOpts } from "../../memmap/index.ts";
import type { IOSequence } from "../../usermem/index.ts";
import { type Device, FileDescription, type VirtualDentry } from "../../vfs/index.ts";

/** Minor numbers of the memory devices (major 1). */
export const MEM_MAJOR = 1;
export const NULL_MINOR = 3;
export const ZERO_MINOR = 5;
export const FULL_MINOR = 7;
export const RANDOM_MINOR = 8;
export const URANDOM_MINOR = 9;

/** Random bytes fetched from the host at once. */
const RANDOM_CHUNK = 16384;
/** Bits the pool always has: what Linux says once it is seeded. */
const POOL_BITS = 256;

/** An open memory device: no offset, always ready. */
export abstract class MemFileDescription extends FileDescription {
  static override readonly stateType: StateType = stateType("dev.MemFileDescription", []);

  override canSeek(): boolean {
    return true;
  }

  /** null_lseek: the offset is and stays 0. */
  override seek(_offset: number, _whence: number): number {
    return 0;
  }

  override pread(dst: IOSequence, _offset: number): number {
    return this.read(dst);
  }

  override pwrite(src: IOSequence, _offset: number): number {
    return this.write(src);
  }

  override write(src: IOSequence): number {
    const n = src.numBytes();
    src.advance(n);
    return n;
  }
}

/** An open /dev/null. */
export class NullFileDescription extends MemFileDescription {
  static override readonly stateType = stateType("dev.NullFileDescription", []);

  override read(_dst: IOSequence): number {
    return 0;
  }
}

/** An open /dev/zero. */
export class ZeroFileDescription extends MemFileDescription {
  static override readonly stateType: StateType = stateType("dev.ZeroFileDescription", []);

  override read(dst: IOSequence): number {
    return dst.zeroOut(dst.numBytes());
  }

  /** A mapping is anonymous memory, shared or private. */
  override configureMMap(opts: MMapOpts): void {
    opts.mappable = null;
    opts.mappingIdentity = null;
  }
}

/** An open /dev/full. */
export class FullFileDescription extends ZeroFileDescription {
  static override readonly stateType = stateType("dev.FullFileDescription", []);

  override write(_src: IOSequence): number {
    throw linuxerr.ENOSPC;
  }

  override configureMMap(_opts: MMapOpts): void {
    throw linuxerr.ENODEV;
  }
}

/** An open /dev/random or /dev/urandom: the host's generator. */
export class RandomFileDescription extends MemFileDescription {
  static override readonly stateType = stateType("dev.RandomFileDescription", ["device"]);
  readonly device: RandomDevice;

  constructor(vd: VirtualDentry, flags: number, device: RandomDevice) {
    super(vd, flags);
    this.device = device;
  }

  override read(dst: IOSequence): number {
    const buf = this.device.buffer;
    let done = 0;
    while (dst.numBytes() > 0) {
      const want = Math.min(dst.numBytes(), buf.length);
      const got = host.getrandom(buf, 0, want);
      if (got === -errno.EINTR) continue;
      if (got <= 0) throw linuxerr.EIO;
      let n = 0;
      try {
        n = dst.copyOut(buf, 0, got);
      } catch (e) {
        if (done > 0 && e === linuxerr.EFAULT) return done;
        throw e;
      }
      done += n;
      if (n < got) break;
    }
    return done;
  }

  override canPoll(): boolean {
    return this.device.pollable;
  }

  override eventRegister(_e: Entry): void {
    // Ready now and for ever: nobody is to be notified.
    if (!this.device.pollable) throw linuxerr.EPERM;
  }

  override ioctl(t: Task, cmd: number, args: SyscallArguments): number {
    switch (cmd) {
      case RNDGETENTCNT:
        t.copyOutI32(args.u64(2), POOL_BITS);
        return 0;
      case RNDADDTOENTCNT:
      case RNDADDENTROPY:
      case RNDCLEARPOOL:
      case RNDRESEEDCRNG:
        if (!t.creds.capable(CAP_SYS_ADMIN)) throw linuxerr.EPERM;
        // The pool is the host's; what a guest adds cannot improve it.
        return 0;
      default:
        throw linuxerr.EINVAL;
    }
  }
}

/** /dev/null, 1:3. */
export class NullDevice implements Device {
  static readonly stateType = stateType("dev.NullDevice", []);

  open(vd: VirtualDentry, flags: number, _creds: Credentials): FileDescription {
    return new NullFileDescription(vd, flags);
  }
}

/** /dev/zero, 1:5. */
export class ZeroDevice implements Device {
  static readonly stateType = stateType("dev.ZeroDevice", []);

  open(vd: VirtualDentry, flags: number, _creds: Credentials): FileDescription {
    return new ZeroFileDescription(vd, flags);
  }
}

/** /dev/full, 1:7. */
export class FullDevice implements Device {
  static readonly stateType = stateType("dev.FullDevice", []);

  open(vd: VirtualDentry, flags: number, _creds: Credentials): FileDescription {
    return new FullFileDescription(vd, flags);
  }
}

/** /dev/random, 1:8, which can be polled, and /dev/urandom, 1:9. */
export class RandomDevice implements Device {
  static readonly stateType = stateType("dev.RandomDevice", ["pollable"], ["buffer"]);
  readonly pollable: boolean;
  /** Used within one read. */
  readonly buffer: Uint8Array = new Uint8Array(RANDOM_CHUNK);

  constructor(pollable: boolean) {
    this.pollable = pollable;
  }

  afterLoad(): void {
    setFields<RandomDevice>(this, { buffer: new Uint8Array(RANDOM_CHUNK) });
  }

  open(vd: VirtualDentry, flags: number, _creds: Credentials): FileDescription {
    return new RandomFileDescription(vd, flags, this);
  }
}
