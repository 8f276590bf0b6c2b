/**
 * Package cli is runsc's command line: main.ts is where every runsc process starts, cli.ts takes the flags and commands that
 * people and engines type. Internal commands, the processes runsc starts of itself, never load the parser.
 */
export { runCommandLine } from "./cli.ts";
