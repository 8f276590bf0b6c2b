import { TMPFS_MAGIC } from "../../../abi/linux/fs.ts";
import { PAGE_SIZE } from "../../../abi/linux/mm.ts";
import { S_IFDIR } from "../../../abi/linux/stat.ts";
import * as linuxerr from "../../../errors/linuxerr/index.ts";
import { stateType } from "../../../state/index.ts";
import type { Credentials, UserNamespace } from "../../kernel/auth/index.ts";
import { MemoryFile } from "../../pgalloc/index.ts";
import {
  Filesystem,
  type FilesystemType,
  type GetFilesystemOptions,
  type Statfs,
  type VirtualFilesystem,
} from "../../vfs/index.ts";
import { TmpfsDirectory } from "./directory.ts";
import { TmpfsRegularFile } from "./regular_file.ts";

/** Inodes of an instance that was not given nr_inodes: they live in the sentry's heap. */
const DEFAULT_MAX_INODES = 200000;
/** Bytes of extended attributes of one instance. */
const MAX_XATTR_BYTES = 16 * 1024 * 1024;

/** Parsed mount options. */
export interface TmpfsOptions {
  /** In bytes; 0: no limit of its own; null: the default. */
  size: number | null;
  /** 0: no limit that is lower than the built-in one; null: the default. */
  inodes: number | null;
  mode: number;
  uid: number | null;
  gid: number | null;
}

/** One instance. */
export class Tmpfs extends Filesystem {
  static override readonly stateType = stateType("tmpfs.Tmpfs", [
    "memoryFile",
    "maxPages",
    "maxInodes",
    "usedPages",
    "usedInodes",
    "lastIno",
    "xattrBytes",
    "maxXattrBytes",
    "shownOptions",
  ]);
  override readonly type = "tmpfs";
  /** Where the data is. */
  readonly memoryFile: MemoryFile;
  maxPages: number;
  maxInodes: number;
  usedPages = 0;
  usedInodes = 0;
  lastIno = 0;
  xattrBytes = 0;
  maxXattrBytes = MAX_XATTR_BYTES;
  /** For mountinfo. */
  readonly shownOptions: string;

  /** `defaultSize` in bytes is what statfs(2) shows when the options give no size. */
  constructor(
    vfs: VirtualFilesystem,
    memoryFile: MemoryFile,
    creds: Credentials,
    opts: TmpfsOptions,
    defaultSize: number,
  ) {
    super(vfs);
    this.steady = true;
    this.memoryFile = memoryFile;
    const size = opts.size ?? defaultSize;
    this.maxPages = size === 0 ? Number.POSITIVE_INFINITY : Math.ceil(size / PAGE_SIZE);
    const inodes = opts.inodes ?? 0;
    this.maxInodes = inodes === 0 ? DEFAULT_MAX_INODES : inodes;
    this.shownOptions = showOptions(opts);
    const uid = opts.uid ?? creds.fsKUID;
    const gid = opts.gid ?? creds.fsKGID;
    this.setRoot(new TmpfsDirectory(this, S_IFDIR | opts.mode, uid, gid));
  }

  /** Takes an inode of the quota and returns a new number: ENOSPC. */
  newInode(): number {
    this.takeInode();
    return ++this.lastIno;
  }

  /** Counts an inode (or a further name of one, which costs as much): ENOSPC. */
  takeInode(): void {
    if (this.usedInodes >= this.maxInodes) throw linuxerr.ENOSPC;
    this.usedInodes++;
  }

  /** Undoes takeInode. */
  inodeFreed(): void {
    this.usedInodes--;
  }

  /** Pages that are left. */
  freePages(): number {
    return this.maxPages - this.usedPages;
  }

  /** Counts n pages: ENOSPC. */
  takePages(n: number): void {
    if (n > this.maxPages - this.usedPages) throw linuxerr.ENOSPC;
    this.usedPages += n;
  }

  /** Counts up to n pages, at least one, and returns how many: ENOSPC. */
  takeSomePages(n: number): number {
    const got = Math.min(n, this.maxPages - this.usedPages);
    if (got <= 0) throw linuxerr.ENOSPC;
    this.usedPages += got;
    return got;
  }

  /** Undoes takePages. */
  returnPages(n: number): void {
    this.usedPages -= n;
  }

  override statFS(out: Statfs): void {
    out.type = TMPFS_MAGIC;
    out.bsize = PAGE_SIZE;
    out.frsize = PAGE_SIZE;
    if (this.maxPages !== Number.POSITIVE_INFINITY) {
      out.blocks = this.maxPages;
      out.bfree = this.maxPages - this.usedPages;
      out.bavail = out.bfree;
    }
    out.files = this.maxInodes;
    out.ffree = this.maxInodes - this.usedInodes;
    out.fsid0 = this.devMinor;
  }

  override mountOptions(): string {
    return this.shownOptions;
  }

  override sync(): void {}

  /** Frees the memory of all files. */
  override release(): void {
    const todo: TmpfsDirectory[] = [];
    if (this.root !== null && this.root.inode instanceof TmpfsDirectory) todo.push(this.root.inode);
    for (let d = todo.pop(); d !== undefined; d = todo.pop()) {
      for (const e of d.entries.values()) {
        const inode = e.inode;
        if (inode instanceof TmpfsDirectory) todo.push(inode);
        else if (inode instanceof TmpfsRegularFile && inode.refs === 0) inode.dropPages(0, Number.MAX_SAFE_INTEGER);
      }
    }
  }
}

function showOptions(opts: TmpfsOptions): string {
  const parts: string[] = [];
  if (opts.size !== null && opts.size !== 0) parts.push(`size=${Math.ceil(opts.size / PAGE_SIZE) * 4}k`);
  if (opts.inodes !== null && opts.inodes !== 0) parts.push(`nr_inodes=${opts.inodes}`);
  if (opts.mode !== 0o1777) parts.push(`mode=${opts.mode.toString(8).padStart(3, "0")}`);
  if (opts.uid !== null && opts.uid !== 0) parts.push(`uid=${opts.uid}`);
  if (opts.gid !== null && opts.gid !== 0) parts.push(`gid=${opts.gid}`);
  parts.push("inode64");
  return parts.join(",");
}

/** A number with the suffixes of memparse: k, m, g, t, p, e. Decimal, octal with 0, hexadecimal with 0x. EINVAL. */
function parseSize(s: string): number {
  const m = /^(0x[0-9a-fA-F]+|[0-9]+)([kKmMgGtTpPeE]?)$/.exec(s);
  if (m === null) throw linuxerr.EINVAL;
  const digits = m[1] ?? "";
  const base = /^0x/.test(digits) ? 16 : /^0[0-7]+$/.test(digits) ? 8 : 10;
  const shift = " kmgtpe".indexOf((m[2] ?? "").toLowerCase() || " ");
  const n = Number.parseInt(base === 16 ? digits.slice(2) : digits, base) * 1024 ** shift;
  if (!(n <= Number.MAX_SAFE_INTEGER)) throw linuxerr.EINVAL;
  return n;
}

function parseID(s: string): number {
  const n = parseSize(s);
  if (n >= 0xffffffff) throw linuxerr.EINVAL;
  return n;
}

/** Parses the options of tmpfs(5): EINVAL for what it does not know. `memory` is what percentages refer to. */
export function parseTmpfsOptions(data: string, memory: number, creds: Credentials): TmpfsOptions {
  const opts: TmpfsOptions = { size: null, inodes: null, mode: 0o1777, uid: null, gid: null };
  for (const item of data.split(",")) {
    if (item === "") continue;
    const eq = item.indexOf("=");
    const key = eq < 0 ? item : item.slice(0, eq);
    const value = eq < 0 ? "" : item.slice(eq + 1);
    switch (key) {
      case "size": {
        const percent = /^([0-9]+)%$/.exec(value);
        if (percent === null) opts.size = parseSize(value);
        else opts.size = Math.floor((Number.parseInt(percent[1] ?? "0", 10) * memory) / 100);
        break;
      }
      case "nr_blocks":
        opts.size = parseSize(value) * PAGE_SIZE;
        break;
      case "nr_inodes":
        opts.inodes = parseSize(value);
        break;
      case "mode":
        if (!/^[0-7]{1,6}$/.test(value)) throw linuxerr.EINVAL;
        opts.mode = Number.parseInt(value, 8) & 0o7777;
        break;
      case "uid":
        opts.uid = creds.userNamespace.mapToKUID(parseID(value));
        if (opts.uid === 0xffffffff) throw linuxerr.EINVAL;
        break;
      case "gid":
        opts.gid = creds.userNamespace.mapToKGID(parseID(value));
        if (opts.gid === 0xffffffff) throw linuxerr.EINVAL;
        break;
      // How memory is swapped, or paired into large pages, is the host's business.
      case "huge":
      case "mpol":
      case "noswap":
      case "inode32":
      case "inode64":
        break;
      default:
        throw linuxerr.EINVAL;
    }
  }
  return opts;
}

/** The filesystem type "tmpfs". */
export class TmpfsType implements FilesystemType {
  static readonly stateType = stateType("tmpfs.Type", [
    "name",
    "requiresDevice",
    "allowUserMount",
    "allowUserList",
    "memoryFile",
    "memory",
  ]);
  readonly name = "tmpfs";
  readonly requiresDevice = false;
  readonly allowUserMount = true;
  readonly allowUserList = true;
  readonly memoryFile: MemoryFile;
  /** Memory of the machine as guests see it, in bytes: an instance may use half of it unless told otherwise. */
  readonly memory: number;

  constructor(memoryFile: MemoryFile, memory: number) {
    this.memoryFile = memoryFile;
    this.memory = memory;
  }

  userNamespace(creds: Credentials): UserNamespace {
    return creds.userNamespace;
  }

  /** With internalData a MemoryFile, the data goes there instead. */
  getFilesystem(vfs: VirtualFilesystem, creds: Credentials, _source: string, opts: GetFilesystemOptions): Filesystem {
    const parsed = parseTmpfsOptions(opts.data, this.memory, creds);
    const file = opts.internalData instanceof MemoryFile ? opts.internalData : this.memoryFile;
    return new Tmpfs(vfs, file, creds, parsed, Math.floor(this.memory / 2));
  }
}
