import * as host from "../../../hostsyscall/index.ts";
import { CPU_WORDS } from "./stub.ts";

/** Has a host thread (0: ours) run only on the CPUs of a mask. A thread that is gone is not there to be told: ignored. */
export function setAffinity(tid: number, mask: Uint32Array): void {
  host.schedSetaffinity(tid, new Uint8Array(mask.buffer, mask.byteOffset, mask.byteLength));
}

/** The mask of the CPUs that we may run on: all, when the host does not say. */
export function ownAffinity(): Uint32Array {
  const mask = new Uint32Array(CPU_WORDS);
  const bytes = new Uint8Array(mask.buffer);
  if (host.schedGetaffinity(0, bytes) < 0) bytes.fill(0xff);
  return mask;
}

/** The numbers of the CPUs in a mask. */
export function cpusOf(mask: Uint32Array): number[] {
  const cpus: number[] = [];
  mask.forEach((word, i) => {
    for (let bit = 0; bit < 32; bit++) if ((word >>> bit) & 1) cpus.push(32 * i + bit);
  });
  return cpus;
}

/** Makes `mask` that of one CPU. */
export function onlyCPU(mask: Uint32Array, cpu: number): void {
  mask.fill(0);
  mask[cpu >>> 5] = 1 << (cpu & 31);
}
