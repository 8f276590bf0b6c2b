/**
 * Package devpts is pseudoterminals: the filesystem at /dev/pts, ptmx, and terminals with the line discipline N_TTY. Registering DevptsType once makes
 * all of it work.
 */
export { DevptsFilesystem, DevptsType, PTMXDevice } from "./devpts.ts";
export { LineDiscipline } from "./line_discipline.ts";
export { MasterFileDescription } from "./master.ts";
export { ReplicaFileDescription } from "./replica.ts";
export { PtyDriver, Terminal } from "./terminal.ts";
export { Termios } from "./termios.ts";
export { TerminalFileDescription } from "./tty_fd.ts";
