import { constants } from "node:os";
import * as host from "../../pkg/hostsyscall/index.ts";
import { GROUP } from "../boot/index.ts";

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

const TCGETS = 0x5401;
/** Bytes of struct termios as the call fills it. */
const TERMIOS_SIZE = 36;

/** Whether a descriptor is a terminal. (node:tty would load the runtime's streams and sockets for it, which takes 2 ms.) */
function isTerminal(fd: number): boolean {
  return host.ioctl(fd, TCGETS, new Uint8Array(TERMIOS_SIZE)) === 0;
}

/** Takes a control byte. */
export interface ControlSink {
  send(byte: number): void;
}

/**
 * From now on the signals of this process go to the command. What a terminal sends to its foreground process group goes to that of
 * the sandbox: the sandbox is in a session of its own and does not hear it.
 */
export function forwardSignals(sink: ControlSink): void {
  const terminal = isTerminal(0);
  for (const name of forwarded) {
    const number = constants.signals[name];
    const byte = terminal && fromTerminal.includes(name) ? number | GROUP : number;
    process.on(name, () => sink.send(byte));
  }
}
