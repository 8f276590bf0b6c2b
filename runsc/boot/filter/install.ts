import { ptr } from "bun:ffi";
import { SIZEOF_SOCK_FILTER } from "../../../pkg/abi/linux/bpf.ts";
import { SECCOMP_FILTER_FLAG_TSYNC, SECCOMP_SET_MODE_FILTER } from "../../../pkg/abi/linux/seccomp.ts";
import * as host from "../../../pkg/hostsyscall/index.ts";
import { encodedFilter } from "./encode.ts" with { type: "macro" };

const SYS_seccomp = 317;

/** The filter of a sandbox that cannot write to the host's files. */
const readOnlyFilter: string = encodedFilter({ hostWrites: false });

/**
 * Puts the filter on every thread of this process, for ever. No-new-privileges must be set. Throws when the host refuses or one
 * thread could not be brought under it.
 */
export function installFilter(): void {
  const code = Buffer.from(readOnlyFilter, "base64");
  // struct sock_fprog.
  const fprog = new BigUint64Array(new ArrayBuffer(16));
  fprog[0] = BigInt(code.length / SIZEOF_SOCK_FILTER);
  fprog[1] = BigInt(ptr(code));
  const r = host.sys3(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, fprog);
  // A positive result is the thread that has another filter.
  if (r !== 0) throw new Error(`filter: seccomp: ${r}`);
}
