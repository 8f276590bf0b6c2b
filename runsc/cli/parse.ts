import yargs, { type Argv, type Option } from "yargs";
import { UsageError } from "../cmd/index.ts";

/** The flags of one level of the command line and what follows them. */
export interface Parsed {
  readonly flags: Readonly<Record<string, unknown>>;
  readonly rest: readonly string[];
}

/** A parser that stops at the first argument that is no flag (as Go's flag package does), with `-flag` and `--flag` alike. */
export function newParser(usage: string, flags: Readonly<Record<string, Option>>): Argv {
  return yargs([])
    .parserConfiguration({
      "halt-at-non-option": true,
      "populate--": true,
      "short-option-groups": false,
      "camel-case-expansion": false,
      "dot-notation": false,
      "parse-numbers": false,
      "parse-positional-numbers": false,
      "boolean-negation": false,
      "duplicate-arguments-array": false,
    })
    .scriptName("runsc")
    .usage(usage)
    .help(false)
    .version(false)
    .options(flags)
    .locale("en")
    .wrap(null)
    .exitProcess(false)
    .showHelpOnFail(false)
    .strictOptions(true)
    .fail((message, error) => {
      throw new UsageError(describe(message ?? error?.message ?? "bad command line"));
    });
}

/** The parser's message as one line in our words. */
function describe(message: string): string {
  const unknown = /^Unknown arguments?: (.*)$/.exec(message);
  if (unknown !== null) {
    const names = (unknown[1] ?? "").split(", ").map((n) => `--${n}`);
    return `unknown flag ${[...new Set(names)].join(", ")}`;
  }
  const needs = /^Not enough arguments following: (.*)$/.exec(message);
  if (needs !== null) return `flag --${needs[1]} needs a value`;
  const invalid = /Argument: ([^,]+), Given: (.*), Choices: (.*)/.exec(message);
  if (invalid !== null) return `flag --${invalid[1]}: ${invalid[2]} is not one of ${invalid[3]}`;
  return message.split("\n").join(" ");
}

/** Parses one level of a command line. Throws UsageError. */
export function parseFlags(args: readonly string[], usage: string, flags: Readonly<Record<string, Option>>): Parsed {
  // Booleans given as separate words ("--debug true") are Go's positional arguments too: "--debug=false" is the way to say no.
  const argv = newParser(usage, flags).parseSync(args);
  for (const [name, option] of Object.entries(flags)) {
    const value = argv[name];
    if (Array.isArray(value) && option.array !== true) throw new UsageError(`flag --${name} is given twice`);
    if (option.type === "string" && option.default === undefined && value === "") {
      throw new UsageError(`flag --${name} needs a value`);
    }
  }
  return { flags: argv, rest: [...argv._.map(String), ...(argv["--"] ?? [])] };
}
