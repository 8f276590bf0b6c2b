import controlSource from "../../native/control.c" with { type: "text" };
import hostSource from "../../native/host.c" with { type: "text" };
import { type NativeModule, type NativeSymbol, nativeProgram } from "../../native/index.ts";
import waiterSource from "../../native/waiter.c" with { type: "text" };
import { F_SETFD, MFD_CLOEXEC } from "../../pkg/abi/linux/file.ts";
import { SIG_BLOCK } from "../../pkg/abi/linux/signal.ts";
import * as linuxerr from "../../pkg/errors/linuxerr/index.ts";
import * as host from "../../pkg/hostsyscall/index.ts";
import type { Launched } from "./launch.ts";
import type { ForwardedSignals } from "./signals.ts";

/** The program that waits, see native/waiter.c. */
export const waiterModule = {
  source: hostSource + controlSource + waiterSource,
  name: "waiter.c",
  symbols: { waiter_start: { args: [], returns: "void" } },
} as const satisfies NativeModule<Record<string, NativeSymbol>>;

/** What the waiting program is given. */
export interface WaiterArgs {
  readonly process: Launched;
  /** Read end of the status pipe, at the beginning of a message. */
  readonly status: number;
  /** Write end of the control pipe. */
  readonly control: number;
  readonly signals: ForwardedSignals;
  /** More descriptors that stay open. */
  readonly keep: readonly number[];
  /** Path and arguments of the program that reports a sandbox that ended otherwise than by its command's end. */
  readonly reporter: { readonly path: string; readonly argv: readonly string[] };
}

/** The arguments of this process, which the waiting program is to be seen with. */
function commandLine(): readonly string[] {
  const text = host.readFile("/proc/self/cmdline");
  return typeof text === "number" ? ["runsc"] : text.split("\0").slice(0, -1);
}

/**
 * Makes this process the program that waits for the sandbox, forwards signals to it and ends as its command did: this runtime, which would only
 * wait, is gone. Does not return. Throws when the host does not let it.
 */
export function becomeWaiter(args: WaiterArgs): never {
  const { mask, group } = args.signals;
  // Blocked, a signal stays for the program to take; until here, and while the runtime's threads end, handlers write it to the pipe.
  host.sigprocmask(SIG_BLOCK, mask, 0);
  const signals = host.signalfd(-1, mask, 0, 0);
  const reporter = host.open(host.fromUTF8(args.reporter.path), 0);
  const program = host.memfdCreate("runsc", MFD_CLOEXEC);
  const bytes = nativeProgram(waiterModule, "waiter_start");
  if (host.write(program, bytes, 0, bytes.length) !== bytes.length) throw new Error("writing a memory file failed");
  for (const fd of [args.status, args.control, args.process.pidfd, reporter, ...args.keep]) host.fcntl(fd, F_SETFD, 0);
  const { pid, pidfd } = args.process;
  const numbers = [args.status, args.control, signals, group, pid, pidfd, reporter];
  const r = host.execFD(program, commandLine(), [numbers.join(" "), ...args.reporter.argv]);
  host.close(reporter);
  throw new Error(`waiting for the sandbox: execveat: ${linuxerr.nameOf(-r)}`);
}
