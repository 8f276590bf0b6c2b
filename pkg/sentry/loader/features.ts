import { AT_HWCAP, AT_HWCAP2, AT_MINSIGSTKSZ, AT_NULL } from "../../abi/linux/auxv.ts";
import { stateType } from "../../state/index.ts";

/** What the processor offers, as programs learn it from the auxiliary vector. */
export class Features {
  static readonly stateType = stateType("loader.Features", [
    "hwcapLo",
    "hwcapHi",
    "hwcap2Lo",
    "hwcap2Hi",
    "minSigStackSize",
  ]);
  /** AT_HWCAP: edx of CPUID leaf 1. */
  hwcapLo = 0;
  hwcapHi = 0;
  /** AT_HWCAP2: ring 3 MWAIT, FSGSBASE. */
  hwcap2Lo = 0;
  hwcap2Hi = 0;
  /** AT_MINSIGSTKSZ in bytes; 0: not known. */
  minSigStackSize = 0;
}

/** The features in an auxiliary vector, the bytes of the sentry's own /proc/self/auxv. */
export function featuresFromAuxv(auxv: Uint8Array): Features {
  const f = new Features();
  const v = new DataView(auxv.buffer, auxv.byteOffset, auxv.byteLength);
  for (let i = 0; i + 16 <= auxv.length; i += 16) {
    const tag = v.getUint32(i, true);
    const lo = v.getUint32(i + 8, true);
    const hi = v.getUint32(i + 12, true);
    if (tag === AT_NULL) break;
    if (tag === AT_HWCAP) {
      f.hwcapLo = lo;
      f.hwcapHi = hi;
    } else if (tag === AT_HWCAP2) {
      f.hwcap2Lo = lo;
      f.hwcap2Hi = hi;
    } else if (tag === AT_MINSIGSTKSZ) {
      f.minSigStackSize = lo;
    }
  }
  return f;
}
