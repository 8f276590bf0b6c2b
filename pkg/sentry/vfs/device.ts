import type { Credentials } from "../kernel/auth/index.ts";
import type { FileDescription } from "./file_description.ts";
import type { VirtualDentry } from "./virtual_dentry.ts";

/** Character device, S_IFCHR. */
export const CHAR_DEVICE = 0;
/** Block device, S_IFBLK. */
export const BLOCK_DEVICE = 1;
/** CHAR_DEVICE or BLOCK_DEVICE. */
export type DeviceKind = 0 | 1;

/** What opening a device node with a registered number leads to. */
export interface Device {
  /** Opens the device through the node at vd; `flags` are open(2)'s. */
  open(vd: VirtualDentry, flags: number, creds: Credentials): FileDescription;
}
