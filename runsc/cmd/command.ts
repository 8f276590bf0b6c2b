import type { Config } from "../config/index.ts";

/** What the user typed cannot be understood; the message is one line without the program's name. */
export class UsageError extends Error {}

/** A flag, as the command line parser takes it. */
export interface Flag {
  readonly type: "boolean" | "string" | "number";
  readonly default?: boolean | string | number;
  readonly describe?: string;
  readonly choices?: readonly string[];
  readonly array?: boolean;
}

/** One command. */
export interface Command {
  readonly name: string;
  /** What follows "runsc " in the usage line. */
  readonly usage: string;
  readonly summary: string;
  readonly flags: Readonly<Record<string, Flag>>;
  /** Does it and answers the exit code; throws Error with one line when it cannot. */
  execute(config: Config, flags: Readonly<Record<string, unknown>>, args: readonly string[]): Promise<number>;
}
