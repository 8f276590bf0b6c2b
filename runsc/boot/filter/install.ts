import { ptr } from "bun:ffi";
import * as host from "../../../pkg/hostsyscall/index.ts";
import { SECCOMP_FILTER_FLAG_TSYNC, SECCOMP_SET_MODE_FILTER } from "./bpf.ts";
import { buildProgram, type Instruction, type Rule } from "./program.ts";

const SYS_seccomp = 317;

/** The instructions as an array of struct sock_filter. */
export function encodeProgram(program: readonly Instruction[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(new ArrayBuffer(program.length * 8));
  const view = new DataView(bytes.buffer);
  program.forEach(([code, jt, jf, k], i) => {
    view.setUint16(8 * i, code, true);
    view.setUint8(8 * i + 2, jt);
    view.setUint8(8 * i + 3, jf);
    view.setUint32(8 * i + 4, k >>> 0, true);
  });
  return bytes;
}

/** A filter, ready to be installed. */
export class Filter {
  readonly code: Uint8Array<ArrayBuffer>;
  /** struct sock_fprog. */
  readonly fprog: BigUint64Array;

  /** Translates the rules. */
  constructor(rules: readonly Rule[]) {
    const program = buildProgram(rules);
    this.code = encodeProgram(program);
    this.fprog = new BigUint64Array(new ArrayBuffer(16));
    this.fprog[0] = BigInt(program.length);
    this.fprog[1] = BigInt(ptr(this.code));
  }

  /**
   * Puts the filter on every thread of this process, for ever. No-new-privileges must be set. Throws when the host refuses or one
   * thread could not be brought under it.
   */
  install(): void {
    const r = host.sys3(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, this.fprog);
    // A positive result is the thread that has another filter.
    if (r !== 0) throw new Error(`filter: seccomp: ${r}`);
  }
}
