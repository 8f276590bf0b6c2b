import { buildProgram, type Instruction } from "./program.ts";
import { type FilterOptions, sentryRules } from "./rules.ts";

/** The instructions as an array of struct sock_filter. */
function encodeProgram(program: readonly Instruction[]): Buffer {
  const bytes = Buffer.alloc(program.length * 8);
  program.forEach(([code, jt, jf, k], i) => {
    bytes.writeUInt16LE(code, 8 * i);
    bytes.writeUInt8(jt, 8 * i + 2);
    bytes.writeUInt8(jf, 8 * i + 3);
    bytes.writeUInt32LE(k >>> 0, 8 * i + 4);
  });
  return bytes;
}

/** The filter of a sandbox as the host takes it, in base64: what is the same at each start is worked out when the program is built. */
export function encodedFilter(options: FilterOptions): string {
  return encodeProgram(buildProgram(sentryRules(options))).toString("base64");
}
