import * as linuxerr from "../../errors/linuxerr/index.ts";
import * as host from "../../hostsyscall/index.ts";
import { IovecArray } from "../../hostsyscall/iovec.ts";
import { stateType } from "../../state/index.ts";
import type { IOSequence } from "../usermem/index.ts";

/** Copies between an IOSequence and the sentry's mapping of a memory file: one native copy, no buffer between. */
export class HostCopier {
  static readonly stateType = stateType("vfs.HostCopier", [], ["iov"]);
  readonly iov: IovecArray = new IovecArray();

  /**
   * Copies len bytes (at most dst.numBytes()) at a host address to dst and advances it. Returns fewer when a later page of dst is not
   * accessible; throws EFAULT when none could be copied.
   */
  copyOut(dst: IOSequence, address: number, len: number): number {
    return this.transfer(dst, address, len, true);
  }

  /** Copies from src to a host address; same contract. */
  copyIn(src: IOSequence, address: number, len: number): number {
    return this.transfer(src, address, len, false);
  }

  transfer(seq: IOSequence, address: number, len: number, out: boolean): number {
    const iov = this.iov;
    const w = iov.words;
    let done = 0;
    while (done < len) {
      iov.clear();
      let covered = 0;
      try {
        covered = seq.prepareHost(iov, out, len - done);
      } catch (e) {
        if (done === 0 || e !== linuxerr.EFAULT) throw e;
        return done;
      }
      if (covered === 0) return done;
      let moved = 0;
      for (let i = 0; i < iov.count; i++) {
        const p = i * 4;
        const base = (w[p + 1] ?? 0) * 4294967296 + (w[p] ?? 0);
        const n = (w[p + 3] ?? 0) * 4294967296 + (w[p + 2] ?? 0);
        const at = address + done + moved;
        const left = out ? host.copyHost(base, at, n) : host.copyHost(at, base, n);
        moved += n - left;
        if (left > 0) break;
      }
      seq.advance(moved);
      done += moved;
      if (moved < covered) {
        if (done === 0) throw linuxerr.EFAULT;
        return done;
      }
    }
    return done;
  }
}
