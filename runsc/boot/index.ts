/**
 * Package boot is the sandbox process: main.ts takes over right after exec, loader.ts builds the kernel from what the parent sent,
 * filter/ confines the process to the host calls it needs. Everything happens on the main thread, before the first guest
 * instruction; the parent keeps only the control channel.
 */
export {
  type BootSpec,
  CONFINED,
  type ControlMessage,
  decodeSpec,
  EXIT_FAILURE,
  encodeSpec,
  FD,
  GROUP,
  type StatusMessage,
} from "./spec.ts";
