import * as host from "../../pkg/hostsyscall/index.ts";
import { FD, type StatusMessage } from "./spec.ts";

/** The longest text of a message: the parent reads no more. */
const MAX_TEXT = 16384;

/** Tells the parent. A parent that is gone takes this process with it; nothing else can be done about a failed write. */
export function send(m: StatusMessage): void {
  const short = "message" in m ? { ...m, message: m.message.slice(0, MAX_TEXT) } : m;
  const bytes = Buffer.from(`${JSON.stringify(short)}\n`, "utf8");
  let done = 0;
  while (done < bytes.length) {
    const n = host.write(FD.status, bytes, done, bytes.length - done);
    if (n === -4) continue;
    if (n <= 0) return;
    done += n;
  }
}
