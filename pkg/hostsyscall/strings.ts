/** Strings in memory that may fault (safeInstall first), and a table of those that were read lately. */
import { ptr } from "bun:ffi";
import { native } from "../../native/host.ts";
import { pinnedBytes } from "../../native/index.ts";
import { stateType } from "../state/index.ts";

/** Places of a HostStrings. */
export const STRING_PLACES = 4096;
/** Bytes of a place: a length of 64 bits and the string. */
const PLACE_SIZE = 128;

/** Byte strings that were read lately, each at one of two places that its hash gives. */
export class HostStrings {
  static readonly stateType = stateType("hostsyscall.HostStrings", [], ["bytes", "buffer", "address"]);
  readonly bytes: Uint8Array<ArrayBuffer> = pinnedBytes(STRING_PLACES * PLACE_SIZE);
  /** The same memory. */
  readonly buffer: Buffer = Buffer.from(this.bytes.buffer);
  readonly address: number = ptr(this.bytes);

  /**
   * Reads the NUL-terminated string at a host address, of which `room` bytes belong to the caller. Returns its place when it was there already, -1 - place
   * when it is new there, and a number below -STRING_PLACES when it is longer than 120 bytes or ends in memory that cannot be read.
   */
  find(address: number, room: number): number {
    return native.string_find(this.address, address, room);
  }

  /** The string at a place. */
  text(place: number): string {
    const at = place * PLACE_SIZE;
    return this.buffer.toString("latin1", at + 8, at + 8 + (this.bytes[at] ?? 0));
  }
}
