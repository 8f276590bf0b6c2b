import * as host from "../../../hostsyscall/index.ts";

// The fpstate of a frame (struct _xstate): legacy area with software-reserved words, xsave header, the rest, FP_XSTATE_MAGIC2.
const FP_XSTATE_MAGIC1 = 0x46505853;
const FP_XSTATE_MAGIC2 = 0x46505845;
const SW_RESERVED = 464;
const XSAVE_HEADER = 512;
const MXCSR_DEFAULT = 0x1f80;
const FCW_DEFAULT = 0x37f;
const MXCSR_MASK_DEFAULT = 0xffff;

/** The host's layout of the FP state, the same for all threads; systrap.SystrapPlatform. */
export interface FPLayout {
  /** Bytes, with FP_XSTATE_MAGIC2; 0: not known yet. */
  fpStateSize: number;
  /** The software-reserved words. */
  fpSoftware: Uint8Array;
  /** The state of a fresh process. */
  fpInit: Uint8Array;
  mxcsrMask: number;
}

/** Puts an FP state into the frame at `address` (0 bytes: it has none). False when it is not one of this host's layout; what the CPU would refuse is cleared. */
export function storeFPState(platform: FPLayout, address: number, size: number, src: Uint8Array): boolean {
  if (size === 0 || src.length < size) return false;
  const fp = src.slice(0, size);
  const view = new DataView(fp.buffer);
  if (
    view.getUint32(SW_RESERVED, true) !== FP_XSTATE_MAGIC1 ||
    view.getUint32(SW_RESERVED + 4, true) !== size ||
    view.getUint32(size - 4, true) !== FP_XSTATE_MAGIC2
  ) {
    return false;
  }
  view.setUint32(24, view.getUint32(24, true) & platform.mxcsrMask, true);
  // Features the host did not enable and a dirty header would make the host refuse the frame and kill the stub.
  fp.set(platform.fpSoftware, SW_RESERVED);
  const low = view.getUint32(XSAVE_HEADER, true);
  const high = view.getUint32(XSAVE_HEADER + 4, true);
  const features = new DataView(platform.fpSoftware.buffer);
  view.setUint32(XSAVE_HEADER, low & features.getUint32(8, true), true);
  view.setUint32(XSAVE_HEADER + 4, high & features.getUint32(12, true), true);
  fp.fill(0, XSAVE_HEADER + 8, XSAVE_HEADER + 64);
  host.copyToHost(address, fp, 0, size);
  return true;
}

/** Reads the layout from the first frame there ever is, whose fpstate is at `address`; its size. Throws when the CPU has no XSAVE. */
export function learnFPState(platform: FPLayout, address: number): number {
  const sw = new Uint8Array(48);
  host.copyFromHost(sw, 0, address + SW_RESERVED, sw.length);
  const view = new DataView(sw.buffer);
  const mask = new Uint8Array(4);
  host.copyFromHost(mask, 0, address + 28, 4);
  if (view.getUint32(0, true) !== FP_XSTATE_MAGIC1) throw new Error("systrap: the host's CPU has no XSAVE");
  platform.fpStateSize = view.getUint32(4, true);
  platform.fpSoftware = sw;
  platform.mxcsrMask = new DataView(mask.buffer).getUint32(0, true) || MXCSR_MASK_DEFAULT;
  // The state of a fresh process: all features in their initial configuration.
  const init = new Uint8Array(platform.fpStateSize);
  const fresh = new DataView(init.buffer);
  fresh.setUint16(0, FCW_DEFAULT, true);
  fresh.setUint32(24, MXCSR_DEFAULT, true);
  fresh.setUint32(28, platform.mxcsrMask, true);
  init.set(platform.fpSoftware, SW_RESERVED);
  fresh.setUint32(init.length - 4, FP_XSTATE_MAGIC2, true);
  platform.fpInit = init;
  return platform.fpStateSize;
}
