import { encode } from "../../../pkg/bpf/index.ts";
import { buildProgram } from "./program.ts";
import { type FilterOptions, sentryRules } from "./rules.ts";

/** The filter of a sandbox as the host takes it, in base64: what is the same at each start is worked out when the program is built. */
export function encodedFilter(options: FilterOptions): string {
  return encode(buildProgram(sentryRules(options))).toBase64();
}
