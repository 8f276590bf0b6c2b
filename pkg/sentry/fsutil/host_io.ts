import { EAGAIN, EFAULT, EINTR, EOPNOTSUPP } from "../../abi/linux/errno.ts";
import { RWF_NOWAIT } from "../../abi/linux/file.ts";
import * as linuxerr from "../../errors/linuxerr/index.ts";
import * as host from "../../hostsyscall/index.ts";
import { IovecArray } from "../../hostsyscall/iovec.ts";
import { stateType } from "../../state/index.ts";
import type { IOSequence } from "../usermem/index.ts";

/** Most bytes that one host call moves. */
export const MAX_HOST_IO = 1024 * 1024;

/** Moves bytes between host descriptors and guest memory, without a buffer in between. Holds nothing between calls. */
export class HostIO {
  static readonly stateType = stateType("fsutil.HostIO", [], ["iov"]);
  readonly iov: IovecArray = new IovecArray();

  /**
   * preadv2(2) of all of dst, in pieces, until the end of the file. `offset` -1 is the descriptor's own position: only one piece
   * is moved then, as a stream would. Returns the bytes read, or a negative errno when there are none; throws
   * EFAULT when not one byte of dst is accessible.
   */
  read(fd: number, dst: IOSequence, offset: number, flags: number): number {
    return this.transfer(fd, dst, offset, flags, true, Number.POSITIVE_INFINITY);
  }

  /** pwritev2(2) of all of src; see read. With RWF_APPEND the offset only matters in that it is not -1. */
  write(fd: number, src: IOSequence, offset: number, flags: number): number {
    return this.transfer(fd, src, offset, flags, false, Number.POSITIVE_INFINITY);
  }

  /** As write, but at most `max` bytes, in one host call. */
  writeAtMost(fd: number, src: IOSequence, offset: number, flags: number, max: number): number {
    return this.transfer(fd, src, offset, flags, false, max);
  }

  /**
   * As read, but never waits for a disk: -EAGAIN then, and nothing has moved; -EOPNOTSUPP when the host's filesystem cannot tell. `end` is the size of the
   * file as far as it is known: what is short of it is not the end.
   */
  readNoWait(fd: number, dst: IOSequence, offset: number, end: number): number {
    const iov = this.iov;
    const mark = dst.position();
    let done = 0;
    for (;;) {
      iov.clear();
      let covered: number;
      try {
        covered = dst.prepareHost(iov, true, MAX_HOST_IO);
      } catch (e) {
        if (done === 0 || e !== linuxerr.EFAULT) throw e;
        return done;
      }
      if (covered === 0 && (done > 0 || dst.numBytes() > 0)) return done;
      const n = host.preadv2(fd, iov, offset + done, RWF_NOWAIT);
      if (n === -EINTR) continue;
      if (n === -EAGAIN || n === -EOPNOTSUPP) {
        dst.rewind(mark);
        return n;
      }
      if (n < 0) {
        if (n === -EFAULT && done === 0) throw linuxerr.EFAULT;
        return done > 0 ? done : n;
      }
      dst.advance(n);
      done += n;
      if (n === 0 || dst.numBytes() === 0 || offset + done >= end) return done;
    }
  }

  transfer(fd: number, seq: IOSequence, offset: number, flags: number, read: boolean, max: number): number {
    const iov = this.iov;
    const stream = offset === -1;
    let done = 0;
    for (;;) {
      iov.clear();
      let covered: number;
      try {
        covered = seq.prepareHost(iov, read, Math.min(MAX_HOST_IO, max - done));
      } catch (e) {
        if (done === 0 || e !== linuxerr.EFAULT) throw e;
        return done;
      }
      if (covered === 0 && (done > 0 || seq.numBytes() > 0)) return done;
      const at = stream ? -1 : offset + done;
      let n: number;
      do {
        if (flags !== 0 || stream) n = read ? host.preadv2(fd, iov, at, flags) : host.pwritev2(fd, iov, at, flags);
        else n = read ? host.preadv(fd, iov, at) : host.pwritev(fd, iov, at);
      } while (n === -EINTR);
      if (n < 0) {
        if (n === -EFAULT && done === 0) throw linuxerr.EFAULT;
        return done > 0 ? done : n;
      }
      seq.advance(n);
      done += n;
      if (n < covered || stream || done >= max || seq.numBytes() === 0) return done;
    }
  }
}
