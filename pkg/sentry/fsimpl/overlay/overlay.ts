import { MS_RDONLY, OVERLAYFS_SUPER_MAGIC } from "../../../abi/linux/fs.ts";
import { S_IFMT, S_IFREG } from "../../../abi/linux/stat.ts";
import * as linuxerr from "../../../errors/linuxerr/index.ts";
import { setFields, stateType } from "../../../state/index.ts";
import type { IOJob } from "../../iopool/index.ts";
import type { Credentials } from "../../kernel/auth/index.ts";
import {
  type Dentry,
  Filesystem,
  type FilesystemType,
  type GetFilesystemOptions,
  type Inode,
  type Mount,
  PathOperation,
  type Statfs,
  Statx,
  VirtualDentry,
  type VirtualFilesystem,
} from "../../vfs/index.ts";
import { COPY_UP_STEP } from "./copy_up.ts";
import { OverlayDirectory } from "./directory.ts";
import { INO_XATTR, type OverlayInode, OverlaySpecialFile } from "./inode.ts";
import { OverlayRegularFile } from "./regular_file.ts";

/** Most lower layers. */
const MAX_LOWERS = 500;
/** Inode numbers of further devices start at multiples of this. */
const INO_STRIDE = 2 ** 48;
const MAX_DEVICES = 31;

/** What an overlay is made of: GetFilesystemOptions.internalData. */
export class OverlayOptions {
  static readonly stateType = stateType("overlay.Options", ["upper", "lowers", "shownOptions", "private"]);
  /** A directory of a filesystem that nothing else uses; null: read-only. */
  readonly upper: VirtualDentry | null;
  /** From the top; at least one. */
  readonly lowers: readonly VirtualDentry[];
  /** For mountinfo. */
  shownOptions = "";
  /** Nothing in the sandbox but the overlay reaches the layers. */
  private = false;

  constructor(upper: VirtualDentry | null, lowers: readonly VirtualDentry[]) {
    this.upper = upper;
    this.lowers = lowers;
  }
}

/** A mounted overlay. */
export class OverlayFilesystem extends Filesystem {
  static override readonly stateType = stateType(
    "overlay.Filesystem",
    ["upperMount", "lowerMounts", "creds", "byUpper", "deviceIndexes", "shownOptions"],
    ["statx", "buffer"],
  );
  override readonly type = "overlay";
  /** Private mounts of the layers. */
  readonly upperMount: Mount | null;
  readonly lowerMounts: Mount[];
  /** What is done to layers is done as who mounted the overlay. */
  readonly creds: Credentials;
  /** Files in the upper layer, by their inode there: hard links share one. */
  readonly byUpper: Map<Inode, OverlayInode> = new Map();
  /** Devices of the layers' files, in order of appearance: part of inode numbers. */
  readonly deviceIndexes: Map<number, number> = new Map();
  readonly shownOptions: string;
  readonly statx: Statx = new Statx();
  buffer: Uint8Array<ArrayBuffer> | null = null;

  /** Throws EINVAL for unsuitable layers. */
  constructor(vfs: VirtualFilesystem, opts: OverlayOptions, creds: Credentials) {
    super(vfs);
    if (opts.lowers.length === 0 || opts.lowers.length > MAX_LOWERS) throw linuxerr.EINVAL;
    this.creds = creds;
    this.shownOptions = opts.shownOptions;
    for (const l of opts.lowers) if (!l.inode.isDir()) throw linuxerr.ENOTDIR;
    if (opts.upper !== null && !opts.upper.inode.isDir()) throw linuxerr.ENOTDIR;
    this.lowerMounts = opts.lowers.map((l) => this.privateMount(l));
    this.upperMount = opts.upper === null ? null : this.privateMount(opts.upper);
    this.readOnly = this.upperMount === null;
    this.steady = this.lowerMounts.every((m) => m.fs.steady) && (this.upperMount?.fs.steady ?? true);
    for (const m of this.lowerMounts) if (m.fs.revalidates) this.revalidates = true;
    if (this.upperMount?.fs.revalidates === true) this.revalidates = true;
    if (opts.private) {
      this.missingFor = Number.POSITIVE_INFINITY;
      for (const m of this.lowerMounts)
        if (m.fs.revalidates) this.missingFor = Math.min(this.missingFor, m.fs.missingFor);
      if (this.upperMount?.fs.revalidates === true)
        this.missingFor = Math.min(this.missingFor, this.upperMount.fs.missingFor);
      // Names are remembered once: an answer from a layer's memory would be trusted anew.
      for (const m of this.lowerMounts) m.fs.missingFor = 0;
      if (this.upperMount !== null) this.upperMount.fs.missingFor = 0;
    }
    const lowers = this.lowerMounts.map((m) => m.root);
    const first = lowers[0];
    if (first === undefined) throw linuxerr.EINVAL;
    // The device of the topmost lower layer comes first, so that its inode numbers show unchanged.
    const ino = this.layerIno(first.inode);
    this.setRoot(new OverlayDirectory(this, ino, this.upperMount?.root ?? null, lowers));
  }

  afterLoad(): void {
    setFields<OverlayFilesystem>(this, { statx: new Statx(), buffer: null });
  }

  privateMount(at: VirtualDentry): Mount {
    const m = this.vfs.newDisconnectedMount(at.dentry.fs, at.dentry, "", 0);
    m.refs++;
    return m;
  }

  hasUpper(): boolean {
    return this.upperMount !== null && !this.readOnly;
  }

  /** The root of the upper layer; EROFS without one. */
  upperRoot(): Dentry {
    if (this.upperMount === null) throw linuxerr.EROFS;
    return this.upperMount.root;
  }

  /** A dentry of the upper layer as a place. */
  upperPlace(d: Dentry): VirtualDentry {
    if (this.upperMount === null) throw linuxerr.EROFS;
    return new VirtualDentry(this.upperMount, d);
  }

  /** A dentry of a lower layer as a place. */
  lowerPlace(d: Dentry): VirtualDentry {
    for (const m of this.lowerMounts) if (m.fs === d.fs) return new VirtualDentry(m, d);
    throw new Error("overlay: dentry of no layer");
  }

  // ---- inodes

  /** The number that a file of a layer shows in the overlay: unique over all layers, and that of the layer for the first device. */
  layerIno(inode: Inode): number {
    inode.stat(this.statx);
    return this.packIno(this.statx.dev, this.statx.ino);
  }

  /** See layerIno. */
  packIno(dev: number, ino: number): number {
    let i = this.deviceIndexes.get(dev);
    if (i === undefined) {
      i = this.deviceIndexes.size % MAX_DEVICES;
      this.deviceIndexes.set(dev, i);
    }
    return i * INO_STRIDE + (ino % INO_STRIDE);
  }

  /** The number of a file in the upper layer: the one it had before it was copied up, or its own. */
  upperIno(inode: Inode): number {
    const was = inode.getXattr(INO_XATTR, this.creds);
    if (typeof was === "string" && /^[0-9]{1,16}$/.test(was)) {
      const n = Number(was);
      if (Number.isSafeInteger(n)) return n;
    }
    return this.layerIno(inode);
  }

  /** The inode of a file in the upper layer that is not a directory. */
  upperFile(d: Dentry): OverlayInode {
    const known = this.byUpper.get(d.inode);
    if (known !== undefined) return known;
    const ino = this.upperIno(d.inode);
    const regular = (d.inode.mode() & S_IFMT) === S_IFREG;
    const inode = regular ? new OverlayRegularFile(this, ino, d, null) : new OverlaySpecialFile(this, ino, d, null);
    this.byUpper.set(d.inode, inode);
    return inode;
  }

  /** The inode of a file in a lower layer that is not a directory. Hard links there are files of their own here: copying up parts them. */
  lowerFile(dir: Dentry, name: string, lower: Inode): OverlayInode {
    const ino = this.layerIno(lower);
    const regular = (lower.mode() & S_IFMT) === S_IFREG;
    const inode = regular
      ? new OverlayRegularFile(this, ino, null, null)
      : new OverlaySpecialFile(this, ino, null, null);
    inode.setLowerFile(dir, lower);
    inode.name = name;
    return inode;
  }

  /** The inode of a directory: in the upper layer, in lower ones, or merged. */
  directory(upper: Dentry | null, lowers: Dentry[]): OverlayDirectory {
    const lower = lowers[0];
    const ino = lower !== undefined ? this.layerIno(lower.inode) : this.directoryIno(upper);
    return new OverlayDirectory(this, ino, upper, lowers);
  }

  directoryIno(upper: Dentry | null): number {
    if (upper === null) throw new Error("overlay: directory without layers");
    return this.layerIno(upper.inode);
  }

  /** For copying up; good during one step. */
  copyBuffer(): Uint8Array {
    this.buffer ??= new Uint8Array(new ArrayBuffer(COPY_UP_STEP));
    return this.buffer;
  }

  // ---- Filesystem

  override statFS(out: Statfs): void {
    const m = this.upperMount ?? this.lowerMounts[0];
    m?.fs.statFS(out);
    out.type = OVERLAYFS_SUPER_MAGIC;
  }

  override mountOptions(): string {
    return this.shownOptions;
  }

  override sync(): void {
    this.upperMount?.fs.sync();
  }

  override startSync(): IOJob | null {
    return this.upperMount?.fs.startSync() ?? null;
  }

  override release(): void {
    this.upperMount?.decRef();
    for (const m of this.lowerMounts) m.decRef();
  }
}

/** The filesystem type "overlay". */
export class OverlayType implements FilesystemType {
  static readonly stateType = stateType("overlay.Type", ["name", "requiresDevice", "allowUserMount", "allowUserList"]);
  readonly name = "overlay";
  readonly requiresDevice = false;
  readonly allowUserMount = true;
  readonly allowUserList = true;

  /** Layers from internalData (OverlayOptions), or from lowerdir=, upperdir= and workdir= resolved for the calling task. */
  getFilesystem(vfs: VirtualFilesystem, creds: Credentials, _source: string, opts: GetFilesystemOptions): Filesystem {
    const layers =
      opts.internalData instanceof OverlayOptions ? opts.internalData : parseOptions(vfs, creds, opts.data);
    const fs = new OverlayFilesystem(vfs, layers, creds);
    if ((opts.flags & MS_RDONLY) !== 0) fs.readOnly = true;
    return fs;
  }
}

/** Splits at a character, which a backslash keeps. */
function split(s: string, at: string): string[] {
  const parts: string[] = [];
  let part = "";
  for (let i = 0; i < s.length; i++) {
    const c = s.charAt(i);
    if (c === "\\" && i + 1 < s.length) {
      // Escapes of commas belong to the outer level, those of colons to the inner one.
      const next = s.charAt(++i);
      part += next === at ? next : c + next;
    } else if (c === at) {
      parts.push(part);
      part = "";
    } else part += c;
  }
  parts.push(part);
  return parts;
}

function parseOptions(vfs: VirtualFilesystem, creds: Credentials, data: string): OverlayOptions {
  const t = vfs.currentTask();
  if (t === null) throw linuxerr.EINVAL;
  const { root, cwd } = t.fsContext;
  const resolve = (path: string): VirtualDentry => {
    return vfs.getDentryAt(creds, new PathOperation(root, cwd, path, true), { checkSearchable: true });
  };
  let lowerdir = "";
  let upperdir = "";
  let workdir = "";
  for (const item of split(data, ",")) {
    if (item === "") continue;
    const eq = item.indexOf("=");
    const value = eq < 0 ? "" : item.slice(eq + 1);
    switch (eq < 0 ? item : item.slice(0, eq)) {
      case "lowerdir":
        lowerdir = value;
        break;
      case "upperdir":
        upperdir = value;
        break;
      case "workdir":
        workdir = value;
        break;
      case "redirect_dir":
      case "index":
      case "metacopy":
      case "xino":
      case "nfs_export":
        if (value !== "off" && value !== "nofollow" && value !== "auto") throw linuxerr.EINVAL;
        break;
      case "default_permissions":
        break;
      default:
        throw linuxerr.EINVAL;
    }
  }
  if (lowerdir === "") throw linuxerr.EINVAL;
  if (upperdir !== "" && workdir === "") throw linuxerr.EINVAL;
  const lowers = split(lowerdir, ":").map(resolve);
  let upper: VirtualDentry | null = null;
  if (upperdir !== "") {
    upper = resolve(upperdir);
    const work = resolve(workdir);
    if (work.mount !== upper.mount) throw linuxerr.EINVAL;
    if (work.dentry.isAncestorOrSelf(upper.dentry) || upper.dentry.isAncestorOrSelf(work.dentry)) throw linuxerr.EINVAL;
    if (upper.mount.readOnly()) throw linuxerr.EROFS;
  }
  const o = new OverlayOptions(upper, lowers);
  o.shownOptions = data;
  return o;
}
