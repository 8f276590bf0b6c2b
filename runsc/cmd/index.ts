/**
 * Package cmd holds the commands people and engines type, one file each. A command is a value: its name, its flags and what runs
 * it; it is made at start and never changed.
 */
import type { Command } from "./command.ts";
import { doCommand } from "./do.ts";

export { type Command, type Flag, UsageError } from "./command.ts";

/** Every command, as `runsc help` lists them. */
export const commands: readonly Command[] = [doCommand];

/** The command of a name, or null. */
export function findCommand(name: string): Command | null {
  return commands.find((c) => c.name === name) ?? null;
}
