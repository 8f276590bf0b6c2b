import { native } from "../../native/host.ts";
import * as host from "../../pkg/hostsyscall/index.ts";

/** What the sandbox's program is started with: nothing compiled before the command runs (tools/build.ts). */
const POLICY_AT_START = 10;
/** Turns of a loop after which it is compiled. */
const TURNS = 8000;

/** Something to compile. */
function turn(n: number): number {
  let x = 0;
  for (let i = 0; i < n; i++) x = (x + i) | 0;
  return x;
}

/**
 * Starts the thread that compiles beside us (sandbox.bootEnvironment), and sees to it that it never ends: later ones may be refused by a limit of
 * processes, which the runtime does not survive. Throws when the runtime is not as it has to be for that.
 */
export function startCompiler(): void {
  const auxv = host.auxiliaryVector();
  const r = native.keep_threads(auxv.get(host.AT_PHDR) ?? 0, auxv.get(host.AT_PHNUM) ?? 0);
  if (r < 0) throw new Error(`boot: keeping the compiler's thread: ${r}`);
  Bun.unsafe.setJITPolicy(1);
  turn(TURNS);
  Bun.unsafe.setJITPolicy(POLICY_AT_START);
}
