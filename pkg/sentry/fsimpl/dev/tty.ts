import * as linuxerr from "../../../errors/linuxerr/index.ts";
import { stateType } from "../../../state/index.ts";
import type { Device, FileDescription, VirtualDentry, VirtualFilesystem } from "../../vfs/index.ts";

/** /dev/tty, 5:0: the controlling terminal of whoever opens it; ENXIO without one. */
export class TTYDevice implements Device {
  static readonly stateType = stateType("dev.TTYDevice", ["vfs"]);
  readonly vfs: VirtualFilesystem;

  constructor(vfs: VirtualFilesystem) {
    this.vfs = vfs;
  }

  open(vd: VirtualDentry, flags: number): FileDescription {
    const tty = this.vfs.currentTask()?.threadGroup.tty ?? null;
    if (tty === null) throw linuxerr.ENXIO;
    return tty.openCurrent(vd, flags);
  }
}
