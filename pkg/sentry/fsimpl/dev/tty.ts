import * as linuxerr from "../../../errors/linuxerr/index.ts";
import { stateType } from "../../../state/index.ts";
import type { Credentials } from "../../kernel/auth/index.ts";
import type { ControllingTerminal } from "../../kernel/sessions.ts";
import type { Device, FileDescription, VirtualDentry, VirtualFilesystem } from "../../vfs/index.ts";

export const TTYAUX_MAJOR = 5;
export const TTY_MINOR = 0;

/** A controlling terminal that /dev/tty can be opened on. */
export interface OpenableTerminal extends ControllingTerminal, Device {}

/** /dev/tty, 5:0: the controlling terminal of whoever opens it; ENXIO without one. */
export class TTYDevice implements Device {
  static readonly stateType = stateType("dev.TTYDevice", ["vfs"]);
  readonly vfs: VirtualFilesystem;

  constructor(vfs: VirtualFilesystem) {
    this.vfs = vfs;
  }

  open(vd: VirtualDentry, flags: number, creds: Credentials): FileDescription {
    const tty = this.vfs.currentTask()?.threadGroup.processGroup.session.controllingTTY ?? null;
    if (tty === null || !isOpenable(tty)) throw linuxerr.ENXIO;
    return tty.open(vd, flags, creds);
  }
}

function isOpenable(tty: ControllingTerminal): tty is OpenableTerminal {
  return "open" in tty;
}
