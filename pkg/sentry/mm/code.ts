import { PAGE_SIZE } from "../../abi/linux/mm.ts";
import { LinuxError } from "../../errors/linuxerr/index.ts";
import * as host from "../../hostsyscall/index.ts";
import { KIND_ANONYMOUS } from "../pgalloc/index.ts";
import { pageDown } from "./address.ts";
import { copyPMA, resolveForced, substitute } from "./faults.ts";
import type { MemoryManager } from "./memory_manager.ts";

/**
 * Replaces bytes of code that lie within a page by putting a changed copy of the page in its place: threads that run there see
 * either page whole. False when there is no page or no memory.
 */
export function replaceCode(mm: MemoryManager, addr: number, src: Uint8Array): boolean {
  const page = pageDown(addr);
  const vma = mm.vmas.find(addr);
  if (vma === null || pageDown(addr + src.length - 1) !== page) return false;
  const p = resolveForced(mm, addr, false);
  if (p === null) return false;
  const mf = mm.memoryFile;
  let to: number;
  try {
    to = mf.allocate(PAGE_SIZE, KIND_ANONYMOUS, -1, true);
  } catch (e) {
    if (!(e instanceof LinuxError)) throw e;
    return false;
  }
  if (
    !copyPMA(mm, p, page, page + PAGE_SIZE, to) ||
    host.copyToHost(mf.mapInternal(to) + (addr - page), src, 0, src.length) !== 0
  ) {
    mf.decRef(to, PAGE_SIZE);
    return false;
  }
  substitute(mm, vma, p, page, page + PAGE_SIZE, to, true);
  return true;
}
