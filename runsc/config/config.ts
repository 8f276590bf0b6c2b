/** What the sandbox's network is connected to. */
export const networkTypes = ["none"] as const;
/** One of networkTypes. */
export type NetworkType = (typeof networkTypes)[number];

/** The platforms that can be chosen, the default first. */
export const platformNames = ["systrap"] as const;

/**
 * Who else changes the directory of the host that is a sandbox's root, as in gVisor: nobody (names and attributes are kept), or others
 * (the host is asked at each use). "timed" lies between: what others change is seen after a second at the latest.
 */
export const fileAccessTypes = ["exclusive", "shared", "timed"] as const;
/** One of fileAccessTypes. */
export type FileAccessType = (typeof fileAccessTypes)[number];

/** The values of the global flags. */
export interface Config {
  /** More in the debug log. */
  readonly debug: boolean;
  /** Path of the debug log; empty: none. */
  readonly debugLog: string;
  /** One line per system call in the debug log. */
  readonly strace: boolean;
  readonly platform: (typeof platformNames)[number];
  /** Hot call sites are left alone and no request lines polled, for comparison. */
  readonly systrapDisableSyscallPatching: boolean;
  readonly network: NetworkType;
  /** null: what suits the command. */
  readonly fileAccess: FileAccessType | null;
}

/** The Config of an empty command line. */
export const defaultConfig: Config = Object.freeze({
  debug: false,
  debugLog: "",
  strace: false,
  platform: "systrap",
  systrapDisableSyscallPatching: false,
  network: "none",
  fileAccess: null,
});

/** The global flags as the command line parser takes them. */
export const globalFlags = {
  debug: { type: "boolean", default: false, describe: "write more to the debug log" },
  "debug-log": { type: "string", default: "", describe: "file the sandbox's log is appended to (default: none)" },
  strace: {
    type: "boolean",
    default: false,
    describe: "log every system call of the sandbox, to the debug log or else to standard error",
  },
  platform: { type: "string", choices: platformNames, default: "systrap", describe: "how guest code is run" },
  "systrap-disable-syscall-patching": {
    type: "boolean",
    default: false,
    describe: "leave the guest's code alone and have every system call notified: slower, for comparison",
  },
  network: { type: "string", choices: networkTypes, default: "none", describe: "what the network is connected to" },
  "file-access": {
    type: "string",
    choices: fileAccessTypes,
    describe: "who else changes the root directory: nobody, others, or others who can wait a second to be seen",
  },
} as const;
