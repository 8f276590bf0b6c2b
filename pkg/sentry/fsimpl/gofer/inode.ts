import * as errno from "../../../abi/linux/errno.ts";
import { AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW, O_CLOEXEC, O_NOFOLLOW, O_PATH } from "../../../abi/linux/file.ts";
import { S_IFLNK, S_IFMT, S_IFREG, STATX_BASIC_STATS, STATX_BTIME, UTIME_OMIT } from "../../../abi/linux/stat.ts";
import {
  XATTR_SECURITY_CAPABILITY,
  XATTR_SIZE_MAX,
  XATTR_TRUSTED_PREFIX,
  XATTR_USER_PREFIX,
} from "../../../abi/linux/xattr.ts";
import * as linuxerr from "../../../errors/linuxerr/index.ts";
import * as host from "../../../hostsyscall/index.ts";
import type { StateType } from "../../../state/index.ts";
import { stateType } from "../../../state/index.ts";
import { fillStatx } from "../../fsutil/index.ts";
import type { Credentials } from "../../kernel/auth/index.ts";
import {
  ATTR_ATIME,
  ATTR_GID,
  ATTR_MODE,
  ATTR_MTIME,
  ATTR_SIZE,
  ATTR_UID,
  type Dentry,
  Inode,
  type SetStatOptions,
  type Statx,
} from "../../vfs/index.ts";
import type { GoferFilesystem } from "./gofer.ts";

/** Other names of a file that are remembered; more are found again by lookups. */
const MAX_OTHER_NAMES = 8;

/** A name of a file in a directory. */
export class GoferLocation {
  static readonly stateType = stateType("gofer.Location", ["parent", "name"]);
  readonly parent: GoferInode;
  readonly name: string;

  constructor(parent: GoferInode, name: string) {
    this.parent = parent;
    this.name = name;
  }
}

/**
 * A host file of any type, known by the host's device and inode number, so that hard links share one. It knows a name by which it can be
 * reached and reopened; a file without names (unlinked while in use) keeps a descriptor.
 */
export abstract class GoferInode extends Inode {
  static override readonly stateType: StateType = stateType(
    "gofer.Inode",
    ["gofer", "hostDev", "inoLow", "inoHigh", "parent", "name", "otherNames", "fileMode", "kuid", "kgid", "device"],
    [
      "attributesValid",
      "askedAt",
      "namedAt",
      "statMask",
      "blockSize",
      "links",
      "bytes",
      "blocks",
      "atimeSec",
      "atimeNsec",
      "btimeSec",
      "btimeNsec",
      "ctimeSec",
      "ctimeNsec",
      "mtimeSec",
      "mtimeNsec",
      "plainSec",
      "plainNsec",
      "controlFD",
      "askedIn",
      "knownSize",
    ],
  );
  readonly gofer: GoferFilesystem;
  /** The host's st_dev. */
  readonly hostDev: number;
  readonly inoLow: number;
  readonly inoHigh: number;
  /** The directory where it was seen last; null for the root and for files without a name. */
  parent: GoferInode | null = null;
  /** Its name there. */
  name = "";
  /** Further hard links that were seen. */
  otherNames: GoferLocation[] | null = null;
  /** As last seen, like the three below. */
  fileMode: number;
  kuid: number;
  kgid: number;
  device: number;
  /** The attributes below are the file's, or were at the time askedAt; kept when answers of the host are trusted for a while. */
  attributesValid = false;
  /** Milliseconds of the vfs's elapsed(). */
  askedAt = 0;
  /** When the host last said that the name leads here: a file that is open may have lost it. */
  namedAt = 0;
  statMask = 0;
  blockSize = 0;
  links = 0;
  bytes = 0;
  blocks = 0;
  atimeSec = 0;
  atimeNsec = 0;
  btimeSec = 0;
  btimeNsec = 0;
  ctimeSec = 0;
  ctimeNsec = 0;
  mtimeSec = 0;
  mtimeNsec = 0;
  /** The ctime with which it had no capabilities; -1: not known. */
  plainSec = -1;
  plainNsec = 0;
  /** An O_PATH descriptor of a file that may have no name any more; -1: none. */
  controlFD = -1;
  /** The operation of the vfs in which the host was last asked by name; see tookStat. */
  askedIn = -1;
  /** The size when the host was asked last; 0: not known. For mappings, whose pages the host checks anyway. */
  knownSize = 0;

  constructor(fs: GoferFilesystem, st: host.HostStat) {
    super(fs, st.ino);
    this.gofer = fs;
    this.hostDev = st.dev;
    this.inoLow = st.inoLow;
    this.inoHigh = st.inoHigh;
    this.fileMode = st.mode;
    this.kuid = st.uid;
    this.kgid = st.gid;
    this.device = st.rdev;
  }

  override mode(): number {
    return this.fileMode;
  }

  override uid(): number {
    return this.kuid;
  }

  override gid(): number {
    return this.kgid;
  }

  override rdev(): number {
    return this.device;
  }

  // ---- identity and attributes

  /** Whether the host's answer is about this file. */
  matches(st: host.HostStat): boolean {
    return (
      st.inoLow === this.inoLow &&
      st.inoHigh === this.inoHigh &&
      st.dev === this.hostDev &&
      (st.mode & S_IFMT) === (this.fileMode & S_IFMT)
    );
  }

  /** Takes over fresh attributes. */
  seen(st: host.HostStat): void {
    const fs = this.gofer;
    if (!this.attributesValid || !host.isStat(st, this)) {
      const { fileMode, kuid, kgid } = this;
      host.keepStat(st, this);
      if ((fileMode & S_IFMT) !== S_IFREG && (this.fileMode !== fileMode || this.kuid !== kuid || this.kgid !== kgid)) {
        fs.vfs.changes++;
      }
      this.knownSize = this.bytes;
      if (fs.trustFor === 0) return;
      const { mask } = st;
      // A time of birth that is known stays.
      if ((mask & STATX_BTIME) !== 0) {
        this.statMask = mask;
        this.btimeSec = st.btimeSec;
        this.btimeNsec = st.btimeNsec;
      }
      this.attributesValid = true;
    }
    this.askedAt = fs.vfs.elapsed();
  }

  /** Whether an answer of the host of that time still is good enough for a path walk. */
  isFresh(then: number): boolean {
    const { vfs, trustFor } = this.gofer;
    if (trustFor === 0 || vfs.strict) return false;
    return trustFor === Number.POSITIVE_INFINITY || vfs.elapsed() - then < trustFor;
  }

  /** Whether the attributes may be shown: to those who have the file open only what nobody else can have changed. */
  isCurrent(): boolean {
    if (!this.attributesValid || this.isBeingStored()) return false;
    const { vfs, exclusive } = this.gofer;
    return exclusive ? !vfs.strict : vfs.walkersInUse > 0 && this.isFresh(this.askedAt);
  }

  /** Whether the contents may change without our noticing: somebody has mapped them for writing. */
  isBeingStored(): boolean {
    return false;
  }

  /** The file was read: the host may have set its access time, which it only does at most once a day after a change (relatime). */
  accessed(): void {
    if (!this.attributesValid) return;
    const sec = this.atimeSec;
    const old = sec < this.mtimeSec || (sec === this.mtimeSec && this.atimeNsec <= this.mtimeNsec);
    if (old || sec < this.ctimeSec || (sec === this.ctimeSec && this.atimeNsec <= this.ctimeNsec)) this.changed();
  }

  /** The attributes that are remembered. */
  fillFromMemory(out: Statx): void {
    out.mask = STATX_BASIC_STATS | (this.statMask & STATX_BTIME);
    out.blksize = this.blockSize;
    out.attributes = 0;
    out.attributesMask = 0;
    out.nlink = this.links;
    out.uid = this.kuid;
    out.gid = this.kgid;
    out.mode = this.fileMode;
    out.ino = this.ino;
    out.size = this.bytes;
    out.blocks = this.blocks;
    out.atimeSec = this.atimeSec;
    out.atimeNsec = this.atimeNsec;
    const birth = (this.statMask & STATX_BTIME) !== 0;
    out.btimeSec = birth ? this.btimeSec : 0;
    out.btimeNsec = birth ? this.btimeNsec : 0;
    out.ctimeSec = this.ctimeSec;
    out.ctimeNsec = this.ctimeNsec;
    out.mtimeSec = this.mtimeSec;
    out.mtimeNsec = this.mtimeNsec;
    out.rdev = this.device;
    out.dev = this.gofer.deviceOf(this.hostDev);
    out.mountID = 0;
  }

  /** gofer.hostStat holds the host's answer about this file, asked for by name in the operation under way. */
  tookStat(): void {
    const { vfs, trustFor } = this.gofer;
    this.gofer.statOwner = this;
    this.askedIn = vfs.operation;
    if (trustFor > 0) this.namedAt = vfs.elapsed();
  }

  /** The file was, or may have been, changed through this filesystem. */
  changed(): void {
    this.attributesValid = false;
    this.knownSize = 0;
    if (this.gofer.statOwner === this) this.gofer.statOwner = null;
  }

  /** A host descriptor of the file that happens to be open, or -1. */
  anyFD(): number {
    return this.controlFD;
  }

  /** A host descriptor to reach the children by: good until two more were asked for. A negative errno when there is none. */
  directoryFD(): number {
    return -errno.ENOTDIR;
  }

  /** Asks the host for the attributes, into gofer.hostStat: 0 or a negative errno. */
  fetch(): number {
    const st = this.gofer.beginStat();
    const fd = this.anyFD();
    let r: number;
    if (fd >= 0) r = (this.statMask & STATX_BTIME) !== 0 ? host.fstatBasic(fd, st) : host.fstat(fd, st);
    else {
      if (this.parent === null) return -errno.ESTALE;
      const dirFD = this.parent.directoryFD();
      if (dirFD < 0) return dirFD;
      r = host.fstatat(dirFD, this.name, st, AT_SYMLINK_NOFOLLOW);
      if (r >= 0 && !this.matches(st)) return -errno.ESTALE;
    }
    if (r >= 0) this.seen(st);
    return r;
  }

  override stat(out: Statx): void {
    const fs = this.gofer;
    if (this.isCurrent()) {
      this.fillFromMemory(out);
      return;
    }
    // The path walk under way may just have asked. (Not when it came here by ".." or over a mount.)
    if (fs.statOwner !== this || fs.vfs.walkersInUse === 0 || this.askedIn !== fs.vfs.operation) {
      const r = this.fetch();
      if (r < 0) throw linuxerr.fromErrno(-r);
    }
    if (this.attributesValid) this.fillFromMemory(out);
    else fillStatx(out, fs.hostStat, fs.deviceOf(this.hostDev));
  }

  override revalidate(place: Dentry | null, name: string): boolean {
    const dir = place?.inode;
    if (!(dir instanceof GoferInode)) return true;
    if (this.parent === dir && this.name === name && this.isFresh(this.namedAt)) return true;
    const st = this.gofer.beginStat();
    const dirFD = dir.directoryFD();
    if (dirFD < 0 || host.fstatat(dirFD, name, st, AT_SYMLINK_NOFOLLOW) < 0 || !this.matches(st)) return false;
    this.seen(st);
    this.tookStat();
    this.setLocation(dir, name);
    return true;
  }

  override validUntil(place: Dentry | null, name: string): number {
    if (this.parent !== place?.inode || this.name !== name) return 0;
    return this.namedAt + this.gofer.trustFor;
  }

  /** Links as the host counts them now. */
  linkCount(): number {
    return this.fetch() < 0 ? 0 : this.gofer.hostStat.nlink;
  }

  override linkRefused(): boolean {
    return this.parent === null && this.linkCount() === 0;
  }

  // ---- names

  /** The file was seen under this name. */
  setLocation(parent: GoferInode, name: string): void {
    const old = this.parent;
    if (old !== null) {
      if (old === parent && this.name === name) return;
      if (this.isDir()) this.otherNames = null;
      else {
        this.otherNames = this.otherNames?.filter((l) => l.parent !== parent || l.name !== name) ?? [];
        if (this.otherNames.length < MAX_OTHER_NAMES) this.otherNames.push(new GoferLocation(old, this.name));
      }
    }
    this.parent = parent;
    this.name = name;
  }

  /** The name is gone. */
  dropLocation(parent: GoferInode, name: string): void {
    const others = this.otherNames?.filter((l) => l.parent !== parent || l.name !== name) ?? null;
    if (this.parent === parent && this.name === name) {
      const next = others?.pop();
      this.parent = next?.parent ?? null;
      this.name = next?.name ?? "";
    }
    this.otherNames = others !== null && others.length > 0 ? others : null;
    this.changed();
  }

  /** A name is about to go. What somebody holds must stay reachable: keeps a descriptor when `held`. */
  prepareUnlink(held: boolean): void {
    if (!held || this.anyFD() >= 0) return;
    this.controlFD = this.openLocation(O_PATH);
    if (this.controlFD < 0) this.controlFD = -1;
  }

  /** Opens the file anew by its name: a descriptor, or a negative errno. ESTALE when another file has taken the name. */
  openLocation(flags: number): number {
    if (this.parent === null) return -errno.ENOENT;
    const dirFD = this.parent.directoryFD();
    if (dirFD < 0) return dirFD;
    const fd = this.gofer.openat(dirFD, this.name, flags | O_NOFOLLOW | O_CLOEXEC, 0);
    if (fd < 0) return fd;
    const st = this.gofer.beginStat();
    const r = host.fstat(fd, st);
    if (r >= 0 && this.matches(st)) return fd;
    host.close(fd);
    return r < 0 ? r : -errno.ESTALE;
  }

  // ---- changes of attributes

  override setStat(opts: SetStatOptions, _creds: Credentials): void {
    this.changed();
    if ((this.fileMode & S_IFMT) !== S_IFREG) this.gofer.vfs.changes++;
    if ((opts.mask & ATTR_SIZE) !== 0) this.truncate(opts.size);
    if ((opts.mask & (ATTR_UID | ATTR_GID)) !== 0) {
      const uid = (opts.mask & ATTR_UID) !== 0 ? opts.uid : -1;
      const gid = (opts.mask & ATTR_GID) !== 0 ? opts.gid : -1;
      this.changeOwner(uid, gid);
      if (uid !== -1) this.kuid = uid;
      if (gid !== -1) this.kgid = gid;
    }
    if ((opts.mask & ATTR_MODE) !== 0) {
      this.changeMode(opts.mode);
      this.fileMode = (this.fileMode & S_IFMT) | opts.mode;
    }
    // A truncation has set the times to now, which is all that can be meant along with it.
    if ((opts.mask & ATTR_SIZE) === 0 && (opts.mask & (ATTR_ATIME | ATTR_MTIME)) !== 0) this.changeTimes(opts);
  }

  /** Sets the size; regular files only. */
  truncate(_size: number): void {
    throw linuxerr.EINVAL;
  }

  changeOwner(uid: number, gid: number): void {
    const fd = this.anyFD();
    if (fd >= 0) {
      check(host.fchownat(fd, "", uid, gid, AT_EMPTY_PATH));
      return;
    }
    check(host.fchownat(this.needParentFD(), this.name, uid, gid, AT_SYMLINK_NOFOLLOW));
  }

  changeTimes(opts: SetStatOptions): void {
    const a = (opts.mask & ATTR_ATIME) !== 0;
    const m = (opts.mask & ATTR_MTIME) !== 0;
    const aNsec = a ? opts.atimeNsec : UTIME_OMIT;
    const mNsec = m ? opts.mtimeNsec : UTIME_OMIT;
    const fd = this.anyFD();
    if (fd >= 0) {
      check(host.utimensat(fd, "", opts.atimeSec, aNsec, opts.mtimeSec, mNsec, AT_EMPTY_PATH));
      return;
    }
    const dirFD = this.needParentFD();
    check(host.utimensat(dirFD, this.name, opts.atimeSec, aNsec, opts.mtimeSec, mNsec, AT_SYMLINK_NOFOLLOW));
  }

  changeMode(mode: number): void {
    const any = this.anyFD();
    let r: number;
    if (any >= 0) r = host.fchmodat2(any, "", mode, AT_EMPTY_PATH);
    else r = host.fchmodat2(this.needParentFD(), this.name, mode, AT_SYMLINK_NOFOLLOW);
    // Hosts before Linux 6.6 only change the mode of what is open.
    if (r === -errno.ENOSYS) r = this.withDescriptor((fd) => host.fchmod(fd, mode));
    check(r);
  }

  /** A descriptor of the directory where the file was seen last; ENOENT for a file without a name. */
  needParentFD(): number {
    if (this.parent === null) throw linuxerr.ENOENT;
    const fd = this.parent.directoryFD();
    if (fd < 0) throw linuxerr.fromErrno(-fd);
    return fd;
  }

  /** Calls with a descriptor that is open for more than its path; EOPNOTSUPP for types that cannot be opened. */
  withDescriptor<T>(_use: (fd: number) => T): T {
    throw linuxerr.EOPNOTSUPP;
  }

  override sync(): void {}

  // ---- extended attributes

  override getXattr(name: string, _creds: Credentials): string | number {
    if (!isStored(name)) return -errno.EOPNOTSUPP;
    if (!this.canHaveXattr()) return -errno.ENODATA;
    const ofExec = name === XATTR_SECURITY_CAPABILITY;
    if (ofExec && this.isPlain()) return -errno.ENODATA;
    const buf = this.gofer.xattrBuffer();
    const n = this.withDescriptor((fd) => host.fgetxattr(fd, name, buf));
    if (ofExec && n === -errno.ENODATA) this.notePlain();
    return n < 0 ? n : host.byteString(buf, 0, n);
  }

  /** Whether the file is known to have no capabilities, which each exec asks for: it is as it was when it had none. */
  isPlain(): boolean {
    if (this.plainSec !== this.ctimeSec || this.plainNsec !== this.ctimeNsec) return false;
    return this.attributesValid && this.isFresh(this.askedAt);
  }

  /** It has none now. */
  notePlain(): void {
    // Of two changes within one tick of the host's clock the second does not show.
    if (!this.attributesValid || this.gofer.vfs.now().sec < this.ctimeSec + 2) return;
    this.plainSec = this.ctimeSec;
    this.plainNsec = this.ctimeNsec;
  }

  override setXattr(name: string, value: string, flags: number, _creds: Credentials): void {
    if (!isStored(name) || !this.canHaveXattr()) throw linuxerr.EOPNOTSUPP;
    if (value.length > XATTR_SIZE_MAX) throw linuxerr.E2BIG;
    this.changed();
    const bytes = Buffer.from(value, "latin1");
    this.withDescriptor((fd) => check(host.fsetxattr(fd, name, bytes, flags)));
  }

  override listXattr(_creds: Credentials): string[] {
    if (!this.canHaveXattr()) return [];
    const buf = this.gofer.xattrBuffer();
    const n = this.withDescriptor((fd) => host.flistxattr(fd, buf));
    if (n === -errno.EOPNOTSUPP) return [];
    if (n < 0) throw linuxerr.fromErrno(-n);
    const names = host.byteString(buf, 0, n).split("\0");
    return names.filter(isStored);
  }

  override removeXattr(name: string, _creds: Credentials): void {
    if (!isStored(name) || !this.canHaveXattr()) throw linuxerr.EOPNOTSUPP;
    this.changed();
    this.withDescriptor((fd) => check(host.fremovexattr(fd, name)));
  }

  /** Only what can be opened can be asked. */
  canHaveXattr(): boolean {
    return false;
  }

  // ---- lifetime

  override release(): void {
    this.gofer.forget(this);
    if (this.controlFD >= 0) host.close(this.controlFD);
    this.controlFD = -1;
    if (this.gofer.statOwner === this) this.gofer.statOwner = null;
  }

  override readlink(): string {
    throw (this.fileMode & S_IFMT) === S_IFLNK ? linuxerr.EIO : linuxerr.EINVAL;
  }
}

/** Throws the error of a host call, if it is one. */
export function check(r: number): void {
  if (r < 0) throw linuxerr.fromErrno(-r);
}

/** The extended attributes that are the host's to keep. Labels and access control lists of the host are not the guest's. */
function isStored(name: string): boolean {
  return (
    name.startsWith(XATTR_USER_PREFIX) || name.startsWith(XATTR_TRUSTED_PREFIX) || name === XATTR_SECURITY_CAPABILITY
  );
}
