/** What passes between `runsc` and the sandbox process it starts: descriptors, the specification, and two pipes of messages. */

/** Descriptor numbers the sandbox process is started with. 0 and 1 are /dev/null, 2 is where a crash of the runtime is written. */
export const FD = {
  /** The BootSpec as JSON: read end of a pipe. */
  spec: 3,
  /** StatusMessages, one JSON text a line: write end of a pipe. */
  status: 4,
  /** ControlMessages, one byte each: read end of a pipe. Its end of file means that the parent is gone. */
  control: 5,
  /** The directory that becomes the container's root: O_PATH. */
  root: 6,
  /** The debug log, or /dev/null. */
  log: 7,
  /** The container's standard input, output and error: this and the next two. */
  stdio: 8,
  /** One past the last. */
  end: 11,
} as const;

/** Exit code when runsc itself fails, as gVisor's. */
export const EXIT_FAILURE = 128;

/** A resource limit (setrlimit(2)). */
export interface SpecLimit {
  /** RLIMIT_*. */
  readonly resource: number;
  /** null: unlimited. */
  readonly soft: number | null;
  readonly hard: number | null;
}

/** How to run a container. Strings that come from the host are byte strings. */
export interface BootSpec {
  /** The command and its arguments. */
  readonly argv: readonly string[];
  /** NAME=value. */
  readonly env: readonly string[];
  readonly cwd: string;
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
  readonly umask: number;
  /** Resource limits of the first process; those that are missing have Linux's defaults. */
  readonly rlimits: readonly SpecLimit[];
  readonly hostname: string;
  /** Log more. */
  readonly debug: boolean;
  /** Log system calls. */
  readonly strace: boolean;
  readonly platform: string;
  /** Hot call sites may be patched and request lines polled. */
  readonly systrapPatching: boolean;
  /** Whether the root directory is changed by others, and when that has to be seen. */
  readonly fileAccess: "exclusive" | "shared" | "timed";
  /** CPUs the host lets this process use. */
  readonly cpus: number;
  /** Bytes of memory the container is told of. */
  readonly memory: number;
}

/** What the sandbox process tells its parent, in this order: loaded, then started or error, then exit or panic. */
export type StatusMessage =
  /** All code is loaded and compiled; the process waits for its root to be taken away. */
  | { readonly state: "loaded" }
  /** The command is about to run. */
  | { readonly state: "started" }
  /** The command cannot be run: `code` is the exit code, 127, 126 or 128. */
  | { readonly state: "error"; readonly message: string; readonly code: number }
  /** The command ended with this wait status. */
  | { readonly state: "exit"; readonly status: number }
  /** A bug of ours. */
  | { readonly state: "panic"; readonly message: string };

/** A byte on the control pipe: CONFINED once; numbers of signals (1 to 64, plus GROUP: to the whole process group). */
export type ControlMessage = number;
/** The root is gone: confine yourself and go on. */
export const CONFINED = 0xff;
/** Added to a signal number that a terminal sent. */
export const GROUP = 0x80;

/** The specification as it is written to the descriptor. */
export function encodeSpec(spec: BootSpec): string {
  return JSON.stringify(spec);
}

/** Reads a specification; throws when it is none. */
export function decodeSpec(text: string): BootSpec {
  const v: unknown = JSON.parse(text);
  if (typeof v !== "object" || v === null || !("argv" in v) || !Array.isArray(v.argv) || v.argv.length === 0) {
    throw new Error("boot: bad specification");
  }
  return v as BootSpec;
}
