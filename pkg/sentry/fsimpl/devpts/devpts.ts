import { direntType } from "../../../abi/linux/dirent.ts";
import { O_NOCTTY } from "../../../abi/linux/file.ts";
import { DEVPTS_SUPER_MAGIC } from "../../../abi/linux/fs.ts";
import { IN_CREATE, IN_DELETE } from "../../../abi/linux/inotify.ts";
import { makeDeviceID, S_IALLUGO, S_IFCHR } from "../../../abi/linux/stat.ts";
import * as linux from "../../../abi/linux/tty.ts";
import * as linuxerr from "../../../errors/linuxerr/index.ts";
import { type StateType, stateType } from "../../../state/index.ts";
import type { Credentials, UserNamespace } from "../../kernel/auth/index.ts";
import type { TTY } from "../../kernel/tty.ts";
import {
  CHAR_DEVICE,
  type Dentry,
  type Device,
  DIR_FIRST_OFFSET,
  type DirentCallback,
  type FileDescription,
  type Filesystem,
  type FilesystemType,
  type GetFilesystemOptions,
  type Inode,
  lookupChild,
  type Mount,
  mountedAt,
  notifyName,
  VirtualDentry,
  type VirtualFilesystem,
} from "../../vfs/index.ts";
import { KernfsDirectory, KernfsFilesystem, KernfsInode } from "../kernfs/index.ts";
import { MasterFileDescription } from "./master.ts";
import { PtyDriver, Terminal } from "./terminal.ts";

const ROOT_INO = 1;
const PTMX_INO = 2;
/** Inode number of terminal 0. */
const FIRST_INO = 3;
const BLOCK_SIZE = 1024;
const PTMX = "ptmx";

/** The options of an instance. */
export interface DevptsOptions {
  /** Owner of new terminals; null: whoever opens ptmx. */
  uid: number | null;
  gid: number | null;
  /** Permissions of terminals, and of ptmx. */
  mode: number;
  ptmxMode: number;
  /** How many terminals there may be. */
  max: number;
}

/** Parses mount options: EINVAL for what is not one. Every mount is a new instance, "newinstance" or not. */
export function parseDevptsOptions(data: string, creds: Credentials): DevptsOptions {
  const opts: DevptsOptions = { uid: null, gid: null, mode: 0o600, ptmxMode: 0, max: linux.NR_UNIX98_PTY_MAX };
  const ns = creds.userNamespace;
  for (const item of data.split(",")) {
    if (item === "" || item === "newinstance") continue;
    const m = /^(uid|gid|mode|ptmxmode|max)=([0-9]{1,10})$/.exec(item);
    if (m === null) throw linuxerr.EINVAL;
    const text = m[2] ?? "";
    const octal = m[1] === "mode" || m[1] === "ptmxmode";
    if (octal && /[89]/.test(text)) throw linuxerr.EINVAL;
    const value = Number.parseInt(text, octal ? 8 : 10);
    if (m[1] === "uid") opts.uid = ns.mapToKUID(value);
    else if (m[1] === "gid") opts.gid = ns.mapToKGID(value);
    else if (m[1] === "mode") opts.mode = value & S_IALLUGO;
    else if (m[1] === "ptmxmode") opts.ptmxMode = value & S_IALLUGO;
    else opts.max = value;
    if (opts.uid === 0xffffffff || opts.gid === 0xffffffff || opts.max > linux.NR_UNIX98_PTY_MAX) {
      throw linuxerr.EINVAL;
    }
  }
  return opts;
}

/** An instance of devpts: its terminals, and the ptmx that makes them. */
export class DevptsFilesystem extends KernfsFilesystem {
  static override readonly stateType = stateType("devpts.Filesystem", [
    "driver",
    "options",
    "terminals",
    "hostTerminals",
    "ptmx",
  ]);
  override readonly type = "devpts";
  override readonly magic = DEVPTS_SUPER_MAGIC;
  readonly driver: PtyDriver;
  readonly options: DevptsOptions;
  /** By number, as long as either end is open. */
  readonly terminals: Map<number, Terminal> = new Map();
  /** Terminals of the host that were given a name here, by number. */
  readonly hostTerminals: Map<number, HostTerminalInode> = new Map();
  readonly ptmx: PTMXInode;

  constructor(vfs: VirtualFilesystem, driver: PtyDriver, options: DevptsOptions, creds: Credentials) {
    super(vfs);
    this.driver = driver;
    this.options = options;
    this.setRoot(new DevptsDirectory(this));
    this.ptmx = new PTMXInode(this, creds);
    this.ptmx.incRef();
  }

  /** The nodes are its own. */
  override refusesDevices(): boolean {
    return false;
  }

  override mountOptions(): string {
    const { uid, gid, mode, ptmxMode, max } = this.options;
    const parts: string[] = [];
    if (uid !== null) parts.push(`uid=${uid}`);
    if (gid !== null) parts.push(`gid=${gid}`);
    parts.push(`mode=${octal(mode)}`, `ptmxmode=${octal(ptmxMode)}`);
    if (max < linux.NR_UNIX98_PTY_MAX) parts.push(`max=${max}`);
    return parts.join(",");
  }

  /** A new terminal with the lowest free number. ENOSPC. */
  newTerminal(creds: Credentials): Terminal {
    // What is reserved is for the first mount of a machine, which no container has.
    const limit = linux.NR_UNIX98_PTY_DEFAULT - linux.NR_UNIX98_PTY_RESERVE;
    if (this.driver.count >= limit || this.terminals.size >= this.options.max) throw linuxerr.ENOSPC;
    const index = this.freeIndex();
    const inode = new ReplicaInode(this, index, creds);
    inode.incRef();
    const terminal = new Terminal(this, index, inode);
    inode.terminal = terminal;
    this.terminals.set(index, terminal);
    this.driver.count++;
    notifyName(this.rootDentry().inode, IN_CREATE, String(index), false);
    return terminal;
  }

  freeIndex(): number {
    let index = 0;
    while (this.terminals.has(index) || this.hostTerminals.has(index)) index++;
    return index;
  }

  /** Gives a terminal of the host the lowest free number, for good. */
  addHostTerminal(tty: TTY, creds: Credentials): number {
    const index = this.freeIndex();
    const inode = new HostTerminalInode(this, index, tty, creds);
    inode.incRef();
    this.hostTerminals.set(index, inode);
    return index;
  }

  /** The node with a number, or null. */
  node(index: number): PtsInode | null {
    const terminal = this.terminals.get(index);
    if (terminal?.masterOpen === true) return terminal.inode;
    return this.hostTerminals.get(index) ?? null;
  }

  /** The master is closed: the name goes. */
  removeTerminal(terminal: Terminal): void {
    const name = String(terminal.index);
    this.root?.children?.get(name)?.markDeleted();
    notifyName(this.rootDentry().inode, IN_DELETE, name, false);
  }

  /** Both ends are closed: the number is free. */
  releaseTerminal(terminal: Terminal): void {
    this.terminals.delete(terminal.index);
    this.driver.count--;
    terminal.inode.decRef();
  }
}

function octal(mode: number): string {
  return mode.toString(8).padStart(3, "0");
}

/** The root: ptmx, and a node for every terminal whose master is open. */
export class DevptsDirectory extends KernfsDirectory {
  static override readonly stateType: StateType = stateType("devpts.Directory", ["devpts"]);
  readonly devpts: DevptsFilesystem;

  constructor(fs: DevptsFilesystem) {
    super(fs, 0o755, ROOT_INO);
    this.devpts = fs;
  }

  override blockSize(): number {
    return BLOCK_SIZE;
  }

  override lookup(_dir: Dentry, name: string): Inode | null {
    if (name === PTMX) return this.devpts.ptmx;
    if (!/^(0|[1-9][0-9]{0,6})$/.test(name)) return null;
    return this.devpts.node(Number(name));
  }

  override readDir(offset: number, cb: DirentCallback): number {
    const { ptmx, terminals, hostTerminals } = this.devpts;
    const first = DIR_FIRST_OFFSET + 1;
    if (offset < first && !cb.handle(PTMX, direntType(ptmx.mode()), ptmx.ino, first)) return DIR_FIRST_OFFSET;
    const indices = [...terminals.keys(), ...hostTerminals.keys()].sort((a, b) => a - b);
    let at = Math.max(offset, first);
    for (const i of indices) {
      const inode = this.devpts.node(i);
      if (first + i < at || inode === null) continue;
      if (!cb.handle(String(i), direntType(inode.mode()), inode.ino, first + i + 1)) return first + i;
      at = first + i + 1;
    }
    return at;
  }
}

/** A device node. */
export abstract class DevptsNode extends KernfsInode {
  static override readonly stateType: StateType = stateType("devpts.Node", []);

  override blockSize(): number {
    return BLOCK_SIZE;
  }
}

/** /dev/pts/ptmx. */
export class PTMXInode extends DevptsNode {
  static override readonly stateType = stateType("devpts.PTMXInode", []);

  /** Owned by root of the mounter's user namespace. */
  constructor(fs: DevptsFilesystem, creds: Credentials) {
    super(fs, S_IFCHR | fs.options.ptmxMode, PTMX_INO);
    this.kuid = creds.userNamespace.mapToKUID(0);
    this.kgid = creds.userNamespace.mapToKGID(0);
  }

  override rdev(): number {
    return makeDeviceID(linux.TTYAUX_MAJOR, linux.PTMX_MINOR);
  }
}

/** /dev/pts/N. */
export abstract class PtsInode extends DevptsNode {
  static override readonly stateType: StateType = stateType("devpts.PtsInode", ["index"]);
  readonly index: number;

  constructor(fs: DevptsFilesystem, index: number, creds: Credentials) {
    super(fs, S_IFCHR | fs.options.mode, FIRST_INO + index);
    this.index = index;
    this.kuid = fs.options.uid ?? creds.fsKUID;
    this.kgid = fs.options.gid ?? creds.fsKGID;
  }

  override rdev(): number {
    return makeDeviceID(linux.UNIX98_PTY_SLAVE_MAJOR, this.index);
  }
}

/** The node of a terminal of the host. */
export class HostTerminalInode extends PtsInode {
  static override readonly stateType = stateType("devpts.HostTerminalInode", ["tty"]);
  readonly tty: TTY;

  constructor(fs: DevptsFilesystem, index: number, tty: TTY, creds: Credentials) {
    super(fs, index, creds);
    this.tty = tty;
  }

  override open(vd: VirtualDentry, flags: number, _creds: Credentials): FileDescription {
    const file = this.tty.openCurrent(vd, flags);
    const t = this.fs.vfs.currentTask();
    if ((flags & O_NOCTTY) === 0 && t !== null) this.tty.opened(t, file.readable);
    return file;
  }
}

/** The node of the replica of a pseudoterminal. */
export class ReplicaInode extends PtsInode {
  static override readonly stateType = stateType("devpts.ReplicaInode", ["terminal"]);
  /** Set right after the construction. */
  terminal: Terminal | null = null;

  override linkCount(): number {
    return this.terminal?.masterOpen === true ? 1 : 0;
  }

  override open(vd: VirtualDentry, flags: number, _creds: Credentials): FileDescription {
    if (this.terminal === null) throw linuxerr.EIO;
    return this.terminal.replica.open(vd, flags);
  }
}

/** ptmx, 5:2: opening it makes a pseudoterminal in the devpts it is on, or else in the one mounted at "pts" beside it. */
export class PTMXDevice implements Device {
  static readonly stateType = stateType("devpts.PTMXDevice", []);

  open(vd: VirtualDentry, flags: number, creds: Credentials): FileDescription {
    const mount = devptsOf(vd);
    const { fs } = mount;
    if (!(fs instanceof DevptsFilesystem)) throw linuxerr.ENODEV;
    const terminal = fs.newTerminal(creds);
    const node = lookupChild(fs.rootDentry(), String(terminal.index));
    if (node === null) throw linuxerr.ENODEV;
    return new MasterFileDescription(vd, flags, terminal, new VirtualDentry(mount, node));
  }
}

/** The mount of devpts that a ptmx node belongs to. ENOENT, ENODEV. */
function devptsOf(vd: VirtualDentry): Mount {
  if (vd.dentry.fs instanceof DevptsFilesystem) return vd.mount;
  const dir = vd.dentry.parent;
  const pts = dir === null ? null : lookupChild(dir, "pts");
  if (pts === null) throw linuxerr.ENOENT;
  let found: Mount | null = null;
  for (let m = mountedAt(vd.mount, pts); m !== null; m = mountedAt(m, m.root)) found = m;
  if (found === null || found.root !== found.fs.root) throw linuxerr.ENODEV;
  return found;
}

/** The filesystem type "devpts". Makes ptmx nodes openable. */
export class DevptsType implements FilesystemType {
  static readonly stateType = stateType("devpts.Type", [
    "name",
    "requiresDevice",
    "allowUserMount",
    "allowUserList",
    "driver",
  ]);
  readonly name = "devpts";
  readonly requiresDevice = false;
  readonly allowUserMount = true;
  readonly allowUserList = true;
  readonly driver: PtyDriver = new PtyDriver();

  constructor(vfs: VirtualFilesystem) {
    vfs.registerDevice(CHAR_DEVICE, linux.TTYAUX_MAJOR, linux.PTMX_MINOR, new PTMXDevice());
  }

  userNamespace(creds: Credentials): UserNamespace {
    return creds.userNamespace;
  }

  getFilesystem(vfs: VirtualFilesystem, creds: Credentials, _source: string, opts: GetFilesystemOptions): Filesystem {
    return new DevptsFilesystem(vfs, this.driver, parseDevptsOptions(opts.data, creds), creds);
  }
}
