import { makeDeviceID, S_IFCHR, S_IFDIR, S_ISVTX } from "../../../abi/linux/stat.ts";
import { TTY_MINOR, TTYAUX_MAJOR } from "../../../abi/linux/tty.ts";
import { stateType } from "../../../state/index.ts";
import type { Credentials } from "../../kernel/auth/index.ts";
import {
  CHAR_DEVICE,
  type Filesystem,
  type FilesystemType,
  type GetFilesystemOptions,
  type VirtualFilesystem,
} from "../../vfs/index.ts";
import {
  FULL_MINOR,
  FullDevice,
  MEM_MAJOR,
  NULL_MINOR,
  NullDevice,
  RANDOM_MINOR,
  RandomDevice,
  URANDOM_MINOR,
  ZERO_MINOR,
  ZeroDevice,
} from "./mem.ts";
import { TTYDevice } from "./tty.ts";

/** The nodes every /dev has: name, major, minor. */
const NODES: readonly (readonly [string, number, number])[] = [
  ["null", MEM_MAJOR, NULL_MINOR],
  ["zero", MEM_MAJOR, ZERO_MINOR],
  ["full", MEM_MAJOR, FULL_MINOR],
  ["random", MEM_MAJOR, RANDOM_MINOR],
  ["urandom", MEM_MAJOR, URANDOM_MINOR],
  ["tty", TTYAUX_MAJOR, TTY_MINOR],
];

const SYMLINKS: readonly (readonly [string, string])[] = [
  ["fd", "/proc/self/fd"],
  ["stdin", "/proc/self/fd/0"],
  ["stdout", "/proc/self/fd/1"],
  ["stderr", "/proc/self/fd/2"],
  ["ptmx", "pts/ptmx"],
];

/** Makes the devices behind the nodes openable. Once per VirtualFilesystem. */
export function registerDevices(vfs: VirtualFilesystem): void {
  vfs.registerDevice(CHAR_DEVICE, MEM_MAJOR, NULL_MINOR, new NullDevice());
  vfs.registerDevice(CHAR_DEVICE, MEM_MAJOR, ZERO_MINOR, new ZeroDevice());
  vfs.registerDevice(CHAR_DEVICE, MEM_MAJOR, FULL_MINOR, new FullDevice());
  vfs.registerDevice(CHAR_DEVICE, MEM_MAJOR, RANDOM_MINOR, new RandomDevice(true));
  vfs.registerDevice(CHAR_DEVICE, MEM_MAJOR, URANDOM_MINOR, new RandomDevice(false));
  vfs.registerDevice(CHAR_DEVICE, TTYAUX_MAJOR, TTY_MINOR, new TTYDevice(vfs));
}

/** Fills an empty writable filesystem with device nodes, symbolic links and mount points. */
export function populateDev(fs: Filesystem, creds: Credentials): void {
  const root = fs.rootDentry();
  const dir = root.inode;
  for (const [name, major, minor] of NODES) {
    dir.mknod(root, name, S_IFCHR | 0o666, makeDeviceID(major, minor), creds);
  }
  for (const [name, target] of SYMLINKS) dir.symlink(root, name, target, creds);
  dir.mkdir(root, "shm", S_IFDIR | S_ISVTX | 0o777, creds);
  dir.mkdir(root, "pts", S_IFDIR | 0o755, creds);
}

/** A tmpfs filled with the standard nodes: what the runtime mounts at /dev. Guests cannot mount it. Needs the type "tmpfs". */
export class DevType implements FilesystemType {
  static readonly stateType = stateType("dev.DevType", ["name", "requiresDevice", "allowUserMount", "allowUserList"]);
  readonly name = "dev";
  readonly requiresDevice = false;
  readonly allowUserMount = false;
  readonly allowUserList = false;

  getFilesystem(vfs: VirtualFilesystem, creds: Credentials, source: string, opts: GetFilesystemOptions): Filesystem {
    const data = opts.data === "" ? "mode=755" : opts.data;
    const fs = vfs.newFilesystem(creds, "tmpfs", source, { ...opts, data });
    populateDev(fs, creds);
    return fs;
  }
}
