import * as host from "../../../hostsyscall/index.ts";
import { stateType } from "../../../state/index.ts";
import type { IOResource } from "../../iopool/index.ts";

/** A descriptor that is closed when a host call of another thread has returned. */
export class OwnDescriptor implements IOResource {
  static readonly stateType = stateType("gofer.OwnDescriptor", [], ["fd"]);
  readonly fd: number;

  constructor(fd: number) {
    this.fd = fd;
  }

  decUsers(): void {
    host.close(this.fd);
  }
}
