import packageJSON from "../../package.json" with { type: "json" };
import * as host from "../../pkg/hostsyscall/index.ts";
import { EXIT_FAILURE } from "../boot/index.ts";
import { commands, type Flag, findCommand, UsageError } from "../cmd/index.ts";
import { type Config, defaultConfig, globalFlags } from "../config/index.ts";
import { report } from "../sandbox/index.ts";
import type { Parsed } from "./parse.ts";

/** Exit code of a command line that cannot be understood, as of Go's flag package. */
const EXIT_USAGE = 2;

const versionLine = `runsc version ${packageJSON.version}\n`;
const usage = "Usage: runsc [flags] <command> [flags of the command]";

/**
 * Parses one level of a command line. The parser is loaded only when there is a flag to parse: it costs as much as starting the
 * runtime, and most command lines have none. Throws UsageError.
 */
async function parse(args: readonly string[], usage: string, flags: Readonly<Record<string, Flag>>): Promise<Parsed> {
  if (args[0]?.startsWith("-") === true && args[0] !== "--")
    return (await import("./parse.ts")).parseFlags(args, usage, flags);
  const defaults: Record<string, unknown> = {};
  for (const [name, f] of Object.entries(flags)) if (f.default !== undefined) defaults[name] = f.default;
  return { flags: defaults, rest: args[0] === "--" ? args.slice(1) : args };
}

/** The help page: of one command, or of all. */
async function help(topic: string | undefined): Promise<string> {
  const { newParser } = await import("./parse.ts");
  if (topic !== undefined) {
    const c = findCommand(topic);
    if (c === null) throw new UsageError(`no command "${topic}"; see "runsc help"`);
    return `${await newParser(`Usage: runsc ${c.usage}\n\n${c.summary}`, c.flags).getHelp()}\n`;
  }
  const parser = newParser(usage, {
    ...globalFlags,
    version: { type: "boolean", describe: "print the version" },
    help: { type: "boolean", describe: "print this page" },
  });
  for (const c of commands) parser.command(c.name, c.summary);
  parser.command("help [command]", "print this page, or that of a command");
  return `${await parser.getHelp()}\n`;
}

/** The Config a parsed command line says. */
function configOf(flags: Readonly<Record<string, unknown>>): Config {
  const c: Record<string, unknown> = {
    ...defaultConfig,
    debug: flags["debug"] === true,
    debugLog: flags["debug-log"],
    strace: flags["strace"] === true,
    platform: flags["platform"],
    systrapDisableSyscallPatching: flags["systrap-disable-syscall-patching"] === true,
    network: flags["network"],
    fileAccess: flags["file-access"] ?? null,
  };
  return c as unknown as Config;
}

/**
 * Runs what the arguments say and answers the exit code. Prints one line on standard error when it cannot.
 */
export async function runCommandLine(args: readonly string[]): Promise<number> {
  try {
    // What engines ask first, without the parser.
    if (args.length === 1 && args[0] === "--version") {
      host.writeText(1, versionLine);
      return 0;
    }
    // What reports for a process that became a smaller program.
    if (args[0] === "report") return report(args.slice(1));
    const top = await parse(args, usage, {
      ...globalFlags,
      version: { type: "boolean" },
      help: { type: "boolean" },
      h: { type: "boolean" },
    });
    if (top.flags["version"] === true) {
      host.writeText(1, versionLine);
      return 0;
    }
    const name = top.rest[0];
    if (top.flags["help"] === true || top.flags["h"] === true || name === "help") {
      host.writeText(1, await help(name === "help" ? top.rest[1] : name));
      return 0;
    }
    if (name === undefined) throw new UsageError('no command given; see "runsc help"');
    const command = findCommand(name);
    if (command === null) throw new UsageError(`no command "${name}"; see "runsc help"`);
    const own = await parse(top.rest.slice(1), `runsc ${command.usage}`, {
      ...command.flags,
      help: { type: "boolean" },
      h: { type: "boolean" },
    });
    if (own.flags["help"] === true || own.flags["h"] === true) {
      host.writeText(1, await help(name));
      return 0;
    }
    return await command.execute(configOf(top.flags), own.flags, own.rest);
  } catch (e) {
    const message = e instanceof Error ? e.message : String(e);
    host.writeText(2, `runsc: ${message}\n`);
    if (process.env["RUNSC_STACKS"] !== undefined && e instanceof Error) host.writeText(2, `${e.stack}\n`);
    return e instanceof UsageError ? EXIT_USAGE : EXIT_FAILURE;
  }
}
