import { constants } from "node:os";
import { TCGETS } from "../../pkg/abi/linux/ioctl.ts";
import * as host from "../../pkg/hostsyscall/index.ts";

/** Signals sent to runsc that are the command's: all that can be caught and that do not tell of a fault of runsc itself. */
const forwarded: readonly NodeJS.Signals[] = [
  "SIGHUP",
  "SIGINT",
  "SIGQUIT",
  "SIGUSR1",
  "SIGUSR2",
  "SIGPIPE",
  "SIGALRM",
  "SIGTERM",
  "SIGCONT",
  "SIGTSTP",
  "SIGTTIN",
  "SIGTTOU",
  "SIGURG",
  "SIGWINCH",
  "SIGIO",
];

/** Signals that a terminal sends to its whole foreground process group. */
const fromTerminal: readonly NodeJS.Signals[] = ["SIGINT", "SIGQUIT", "SIGTSTP", "SIGWINCH"];

/** Bytes of struct termios as the call fills it. */
const TERMIOS_SIZE = 36;

/** Whether a descriptor is a terminal. (node:tty would load the runtime's streams and sockets for it, which takes 2 ms.) */
function isTerminal(fd: number): boolean {
  return host.ioctl(fd, TCGETS, new Uint8Array(TERMIOS_SIZE)) === 0;
}

/** Signals as a mask: bit n is signal n + 1. All of ours are below 32. */
function maskOf(names: readonly NodeJS.Signals[]): number {
  let mask = 0;
  for (const n of names) mask |= 1 << (constants.signals[n] - 1);
  return mask >>> 0;
}

/** Which signals go to the command. */
export interface ForwardedSignals {
  /** Bit n is signal n + 1. */
  readonly mask: number;
  /**
   * Those that go to the sandbox's foreground process group, as a terminal's do: the sandbox is in a session of its own and does not hear them.
   */
  readonly group: number;
}

/** From now on the signals of this process are bytes on the control pipe. */
export function forwardSignals(control: number): ForwardedSignals {
  const signals = { mask: maskOf(forwarded), group: isTerminal(0) ? maskOf(fromTerminal) : 0 };
  const r = host.forwardSignals(control, signals.mask, signals.group);
  if (r < 0) throw new Error("forwarding signals failed");
  return signals;
}
