import { read } from "node:fs";
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

/** Waits for bytes without stopping signal handlers; 0 at the end of the pipe. */
function readSome(fd: number, buf: Uint8Array): Promise<number> {
  return new Promise((resolve, reject) => {
    read(fd, buf, 0, buf.length, null, (error, n) => {
      if (error !== null && error !== undefined) reject(error);
      else resolve(n);
    });
  });
}

/** The messages from the read end of the status pipe, until every writer is gone. */
export async function* readStatus(fd: number): AsyncGenerator<StatusMessage> {
  const buf = new Uint8Array(4096);
  const decoder = new TextDecoder();
  let text = "";
  for (;;) {
    const n = await readSome(fd, buf);
    if (n === 0) return;
    text += decoder.decode(buf.subarray(0, n), { stream: true });
    for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n")) {
      const m = parseStatus(text.slice(0, end));
      text = text.slice(end + 1);
      if (m !== null) yield m;
    }
    if (text.length > MAX_LINE) text = "";
  }
}
