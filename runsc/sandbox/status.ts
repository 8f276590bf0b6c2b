import { EINTR } from "../../pkg/abi/linux/errno.ts";
import * as host from "../../pkg/hostsyscall/index.ts";
import type { StatusMessage } from "../boot/index.ts";

/** More than this without a line's end is no message. */
const MAX_LINE = 64 * 1024;

/** One message, or null when the text is none (the sandbox process is not trusted to speak well). */
export function parseStatus(line: string): StatusMessage | null {
  let v: unknown;
  try {
    v = JSON.parse(line);
  } catch {
    return null;
  }
  if (typeof v !== "object" || v === null || !("state" in v)) return null;
  switch (v.state) {
    case "loaded":
    case "started":
      return { state: v.state };
    case "error":
      if (!("message" in v) || typeof v.message !== "string" || !("code" in v) || typeof v.code !== "number")
        return null;
      return { state: "error", message: v.message, code: v.code };
    case "exit":
      if (!("status" in v) || typeof v.status !== "number") return null;
      return { state: "exit", status: v.status };
    case "panic":
      if (!("message" in v) || typeof v.message !== "string") return null;
      return { state: "panic", message: v.message };
    default:
      return null;
  }
}

/** The messages from the read end of the status pipe, until every writer is gone. */
export class StatusReader {
  readonly fd: number;
  readonly buffer: Uint8Array = new Uint8Array(4096);
  readonly decoder: TextDecoder = new TextDecoder();
  /** What was read and not yet looked at. */
  text = "";

  constructor(fd: number) {
    this.fd = fd;
  }

  /** Waits for the next message; null at the end. */
  next(): StatusMessage | null {
    for (;;) {
      const end = this.text.indexOf("\n");
      if (end < 0) {
        if (this.text.length > MAX_LINE) this.text = "";
        const n = host.read(this.fd, this.buffer);
        if (n === -EINTR) continue;
        if (n <= 0) return null;
        this.text += this.decoder.decode(this.buffer.subarray(0, n), { stream: true });
        continue;
      }
      const m = parseStatus(this.text.slice(0, end));
      this.text = this.text.slice(end + 1);
      if (m !== null) return m;
    }
  }
}
