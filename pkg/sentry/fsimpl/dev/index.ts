/**
 * Package dev is /dev: the memory devices (null, zero, full, random, urandom), /dev/tty, and the filesystem that holds the nodes.
 * registerDevices() once at start-up; the filesystem type "dev" is for the runtime's own mounts.
 */
export { DevType, populateDev, registerDevices } from "./dev.ts";
export {
  FULL_MINOR,
  FullDevice,
  FullFileDescription,
  MEM_MAJOR,
  NULL_MINOR,
  NullDevice,
  NullFileDescription,
  RANDOM_MINOR,
  RandomDevice,
  RandomFileDescription,
  URANDOM_MINOR,
  ZERO_MINOR,
  ZeroDevice,
  ZeroFileDescription,
} from "./mem.ts";
export { TTYDevice } from "./tty.ts";
