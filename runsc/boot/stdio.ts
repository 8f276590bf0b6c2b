import * as host from "../../pkg/hostsyscall/index.ts";
import type { Kernel } from "../../pkg/sentry/kernel/index.ts";
import type { IOSequence } from "../../pkg/sentry/usermem/index.ts";
import { FileDescription } from "../../pkg/sentry/vfs/index.ts";

class Temp extends FileDescription {
  fd = 0;
  override write(src: IOSequence): number {
    const n = Math.min(src.numBytes(), 65536);
    const b = new Uint8Array(n);
    const m = src.copyIn(b, 0, n);
    return host.write(this.fd, b, 0, m);
  }
  override read(dst: IOSequence): number {
    const b = new Uint8Array(Math.min(65536, dst.numBytes()));
    const n = host.read(this.fd, b);
    if (n > 0) dst.copyOut(b, 0, n);
    return n;
  }
}

export function makeStdio(k: Kernel, first: number): FileDescription[] {
  return [0, 1, 2].map((i) => {
    const t = new Temp(k.vfs.newAnonVirtualDentry("[host]"), 2);
    t.fd = first + i;
    return t;
  });
}
