import * as linuxerr from "../../errors/linuxerr/index.ts";
import * as host from "../../hostsyscall/index.ts";
import type { IovecArray } from "../../hostsyscall/iovec.ts";
import { stateType } from "../../state/index.ts";
import type { IO } from "../usermem/index.ts";
import { resolveForced } from "./faults.ts";
import type { MemoryManager } from "./memory_manager.ts";
import type { PMA } from "./pma.ts";
import { copyInVdso } from "./vdso.ts";

/**
 * An address space as ptrace(2) and /proc/[pid]/mem see it: protection does not matter, except that shared memory is written to only where its
 * protection allows it. Code is the program's own: what the platform patched is undone first.
 */
export class ForcedIO implements IO {
  static readonly stateType = stateType("mm.ForcedIO", ["mm"]);
  readonly mm: MemoryManager;

  constructor(mm: MemoryManager) {
    this.mm = mm;
  }

  copyOut(addr: number, src: Uint8Array, off: number, len: number): number {
    this.mm.hostSpace?.restoreCode(addr, addr + len);
    let done = 0;
    while (done < len) {
      const p = resolveForced(this.mm, addr + done, true);
      if (p === null) break;
      const to = p.hostAddress(addr + done);
      const n = Math.min(len - done, p.hostLength(addr + done));
      const left = host.copyToHost(to, src, off + done, n);
      done += n - left;
      if (left !== 0) break;
    }
    return atLeastOne(done, len);
  }

  copyIn(addr: number, dst: Uint8Array, off: number, len: number): number {
    this.mm.hostSpace?.restoreCode(addr, addr + len);
    return this.peek(addr, dst, off, len);
  }

  /** copyIn of what is there, patched code included. */
  peek(addr: number, dst: Uint8Array, off: number, len: number): number {
    let done = 0;
    while (done < len) {
      const p = resolveForced(this.mm, addr + done, false);
      const n =
        p === null
          ? copyInVdso(this.mm, addr + done, dst, off + done, len - done, true)
          : this.copyInPMA(p, addr + done, dst, off + done, len - done);
      if (n === 0) break;
      done += n;
    }
    return atLeastOne(done, len);
  }

  /** Copies what one pma holds; returns how much. */
  copyInPMA(p: PMA, addr: number, dst: Uint8Array, off: number, len: number): number {
    const n = Math.min(len, p.hostLength(addr));
    return n - host.copyFromHost(dst, off, p.hostAddress(addr), n);
  }

  zeroOut(addr: number, len: number): number {
    this.mm.hostSpace?.restoreCode(addr, addr + len);
    let done = 0;
    while (done < len) {
      const p = resolveForced(this.mm, addr + done, true);
      if (p === null) break;
      const to = p.hostAddress(addr + done);
      const n = Math.min(len - done, p.hostLength(addr + done));
      const left = host.zeroHost(to, n);
      done += n - left;
      if (left !== 0) break;
    }
    return atLeastOne(done, len);
  }

  hostRanges(addr: number, len: number, write: boolean, iov: IovecArray): number {
    this.mm.hostSpace?.restoreCode(addr, addr + len);
    let done = 0;
    while (done < len && !iov.full()) {
      const p = resolveForced(this.mm, addr + done, write);
      if (p === null) break;
      const base = p.hostAddress(addr + done);
      const n = Math.min(len - done, p.hostLength(addr + done));
      iov.append(base, n);
      done += n;
    }
    return iov.full() ? done : atLeastOne(done, len);
  }
}

function atLeastOne(done: number, len: number): number {
  if (done === 0 && len > 0) throw linuxerr.EFAULT;
  return done;
}
