import * as linuxerr from "../../../errors/linuxerr/index.ts";
import * as host from "../../../hostsyscall/index.ts";
import { stateType } from "../../../state/index.ts";
import { GoferInode } from "./inode.ts";

/** A symbolic link. */
export class GoferSymlink extends GoferInode {
  static override readonly stateType = stateType("gofer.Symlink", [], ["target"]);
  /** Kept when answers of the host are trusted, until the link's ctime is another: its target never changes, but another link may take its number. */
  target: string | null = null;

  override readlink(): string {
    if (this.target !== null) return this.target;
    let r: string | number;
    if (this.controlFD >= 0) r = host.readlinkat(this.controlFD, "");
    else {
      r = host.readlinkat(this.needParentFD(), this.name);
    }
    if (typeof r === "number") throw linuxerr.fromErrno(-r);
    this.accessed();
    if (this.gofer.trustFor > 0) this.target = r;
    return r;
  }

  override seen(st: host.HostStat): void {
    if (this.target !== null && (st.ctimeSec !== this.ctimeSec || st.ctimeNsec !== this.ctimeNsec)) this.target = null;
    super.seen(st);
  }
}

/**
 * A FIFO, socket or device node. Nothing of the host's is opened through one: FIFOs lead to pipes of the sandbox, device numbers to its own
 * devices, and the rest is ENXIO.
 */
export class GoferSpecialFile extends GoferInode {
  static override readonly stateType = stateType("gofer.SpecialFile", []);
}
