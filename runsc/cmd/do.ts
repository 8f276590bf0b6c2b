import { availableParallelism, hostname, totalmem } from "node:os";
import { isAbsolute, normalize, resolve } from "node:path";
import { O_CLOEXEC, O_DIRECTORY, O_PATH } from "../../pkg/abi/linux/file.ts";
import * as host from "../../pkg/hostsyscall/index.ts";
import type { Config } from "../config/index.ts";
import { callerLimits, reason, runSandbox } from "../sandbox/index.ts";
import { type Command, UsageError } from "./command.ts";

/** A host string as the sandbox's byte strings have it. */
function bytes(s: string): string {
  return Buffer.from(s, "utf8").toString("latin1");
}

/** The NUL-terminated strings of a file of /proc as byte strings. */
function procStrings(path: string): string[] {
  const text = host.readFile(path);
  if (typeof text === "number") throw new Error(`${path}: ${reason(-text)}`);
  return text.split("\0").slice(0, -1);
}

/** The last arguments of this process as they were given: strings of the runtime have lost bytes that are not UTF-8. */
function rawArguments(args: readonly string[]): readonly string[] {
  const raw = procStrings("/proc/self/cmdline");
  return raw.length > args.length ? raw.slice(raw.length - args.length) : args.map(bytes);
}

/** Opens the directory that becomes the container's root. Throws one line when it is none or cannot be read. */
function openRoot(path: string): number {
  const readable = host.open(host.fromUTF8(path), O_DIRECTORY | O_CLOEXEC);
  const fd = readable < 0 ? readable : host.open(host.fromUTF8(path), O_DIRECTORY | O_CLOEXEC | O_PATH);
  host.close(readable);
  if (fd < 0) throw new Error(`root directory "${path}": ${reason(-fd)}`);
  return fd;
}

/** `runsc do`: a command in a sandbox of its own over a directory of the host that it cannot change. */
export const doCommand: Readonly<Command> = {
  name: "do",
  usage: "do [--root=DIR] [--cwd=DIR] [--] COMMAND [ARGUMENT...]",
  summary: "run a command in a sandbox that sees the host's files and changes none of them",
  flags: {
    root: { type: "string", default: "/", describe: "directory of the host that becomes the sandbox's root" },
    cwd: {
      type: "string",
      default: "",
      describe: "working directory of the command (default: this one, or / with --root)",
    },
  },
  async execute(config: Config, flags, args): Promise<number> {
    if (args.length === 0) throw new UsageError('do: no command given; see "runsc help do"');
    const root = resolve(String(flags["root"]));
    let cwd = String(flags["cwd"]);
    if (cwd === "") cwd = root === "/" ? process.cwd() : "/";
    else if (!isAbsolute(cwd)) cwd = root === "/" ? resolve(cwd) : `/${cwd}`;
    const rootFD = openRoot(root);
    try {
      return runSandbox({
        config,
        rootFD,
        stdio: [0, 1, 2],
        spec: () => ({
          argv: rawArguments(args),
          env: procStrings("/proc/self/environ"),
          cwd: bytes(normalize(cwd)),
          uid: process.getuid?.() ?? 0,
          gid: process.getgid?.() ?? 0,
          groups: process.getgroups?.() ?? [],
          umask: process.umask(),
          rlimits: callerLimits(),
          hostname: bytes(hostname()),
          debug: config.debug,
          strace: config.strace,
          platform: config.platform,
          systrapPatching: !config.systrapDisableSyscallPatching,
          // The host goes on using the directory.
          fileAccess: config.fileAccess ?? "timed",
          cpus: availableParallelism(),
          memory: totalmem(),
        }),
      });
    } finally {
      host.close(rootFD);
    }
  },
};
