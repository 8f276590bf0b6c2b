import { O_RDWR } from "../../abi/linux/file.ts";
import * as linuxerr from "../../errors/linuxerr/index.ts";
import { stateType } from "../../state/index.ts";
import type { IOSequence } from "../usermem/index.ts";
import { FileDescription, type VirtualDentry } from "../vfs/index.ts";

/** Most bytes that one write adds. */
const CHUNK = 65536;

/** Standard output of a guest under test: keeps what is written as a byte string. Reads are at the end of file. */
export class CaptureFile extends FileDescription {
  static override readonly stateType = stateType("testutil.CaptureFile", ["text"]);
  text = "";

  constructor(vd: VirtualDentry) {
    super(vd, O_RDWR);
  }

  override read(_dst: IOSequence): number {
    return 0;
  }

  override write(src: IOSequence): number {
    const b = Buffer.alloc(Math.min(src.numBytes(), CHUNK));
    src.copyIn(b, 0, b.length);
    this.text += b.toString("latin1");
    return b.length;
  }

  override ioctl(): number {
    throw linuxerr.ENOTTY;
  }
}
