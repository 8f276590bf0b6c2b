/**
 * Package arch is what is particular to x86-64 in the kernel: signal frames and the layout of siginfo. Functions here
 * change the registers of a stopped context; they keep no state.
 */
export {
  type AltStack,
  altStackState,
  copyRegisters,
  FrameBuffer,
  isOnAltStack,
  popSignalFrame,
  pushSignalFrame,
  type RestoredFrame,
  type TrapInfo,
} from "./signal_frame.ts";
export { SignalInfo } from "./signal_info.ts";
