/** statx(2), the one stat call used: results in a HostStat. */
import { ptr } from "bun:ffi";
import { native } from "../../native/host.ts";
import { AT_EMPTY_PATH } from "../abi/linux/file.ts";
import { STATX_BASIC_STATS, STATX_BTIME } from "../abi/linux/stat.ts";
import * as nr from "../abi/linux/syscalls.ts";
import { stateType } from "../state/index.ts";
import { getI64, getU64, type PathArg, path1, scratch, scratchAddress, sys6 } from "./raw.ts";

/** A struct statx of the host, filled by fstat, fstatat and statx. Reuse it: nothing is allocated per call. */
export class HostStat {
  static readonly stateType = stateType("hostsyscall.HostStat", [], ["words", "address"]);
  /** The raw structure as 32-bit words. */
  readonly words: Uint32Array<ArrayBuffer> = new Uint32Array(new ArrayBuffer(256));
  /** Host address of words. */
  readonly address: number = ptr(this.words);

  /** STATX_* bits of the fields that are valid. */
  get mask(): number {
    return this.words[0] ?? 0;
  }
  get blksize(): number {
    return this.words[1] ?? 0;
  }
  /** STATX_ATTR_* (low 32 bits). */
  get attributes(): number {
    return this.words[2] ?? 0;
  }
  get nlink(): number {
    return this.words[4] ?? 0;
  }
  get uid(): number {
    return this.words[5] ?? 0;
  }
  get gid(): number {
    return this.words[6] ?? 0;
  }
  /** Type and permission bits. */
  get mode(): number {
    return (this.words[7] ?? 0) & 0xffff;
  }
  /** Inode number; inexact above 2^53, see inoLow and inoHigh. */
  get ino(): number {
    return getU64(this.words, 8);
  }
  get inoLow(): number {
    return this.words[8] ?? 0;
  }
  get inoHigh(): number {
    return this.words[9] ?? 0;
  }
  get size(): number {
    return getI64(this.words, 10);
  }
  /** Blocks of 512 bytes. */
  get blocks(): number {
    return getU64(this.words, 12);
  }
  get atimeSec(): number {
    return getI64(this.words, 16);
  }
  get atimeNsec(): number {
    return this.words[18] ?? 0;
  }
  /** Birth time, valid when mask has STATX_BTIME. */
  get btimeSec(): number {
    return getI64(this.words, 20);
  }
  get btimeNsec(): number {
    return this.words[22] ?? 0;
  }
  get ctimeSec(): number {
    return getI64(this.words, 24);
  }
  get ctimeNsec(): number {
    return this.words[26] ?? 0;
  }
  get mtimeSec(): number {
    return getI64(this.words, 28);
  }
  get mtimeNsec(): number {
    return this.words[30] ?? 0;
  }
  get rdevMajor(): number {
    return this.words[32] ?? 0;
  }
  get rdevMinor(): number {
    return this.words[33] ?? 0;
  }
  get devMajor(): number {
    return this.words[34] ?? 0;
  }
  get devMinor(): number {
    return this.words[35] ?? 0;
  }
  /** Device of the file's contents, as st_rdev carries it. */
  get rdev(): number {
    return encodeDevice(this.rdevMajor, this.rdevMinor);
  }
  /** Device the file is on, as st_dev carries it. */
  get dev(): number {
    return encodeDevice(this.devMajor, this.devMinor);
  }
  /** Mount id, valid when mask has STATX_MNT_ID. */
  get mntID(): number {
    return getU64(this.words, 36);
  }
}

/** A 12-bit major and 20-bit minor as st_dev and mknod(2) carry them. */
function encodeDevice(major: number, minor: number): number {
  return ((minor & 0xff) | ((major & 0xfff) << 8) | ((minor & 0xfff00) << 12)) >>> 0;
}

/** statx(2); an empty path with AT_EMPTY_PATH is dirfd itself. */
export function statx(dirfd: number, path: PathArg, flags: number, mask: number, out: HostStat): number {
  const p = path1(path);
  return p < 0 ? p : sys6(nr.SYS_statx, dirfd, p, flags, mask, out.address, 0);
}

/** Stat of a descriptor, also an O_PATH one. */
export function fstat(fd: number, out: HostStat): number {
  return statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME, out);
}

/** As fstat, but without a time of birth: the mask says so. The host gives this for half the price. */
export function fstatBasic(fd: number, out: HostStat): number {
  return native.host_fstat(fd, out.address);
}

/** Stat of a path; flags are AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH. */
export function fstatat(dirfd: number, path: PathArg, out: HostStat, flags: number): number {
  return statx(dirfd, path, flags, STATX_BASIC_STATS | STATX_BTIME, out);
}

/** What is kept of a struct statx, but numbers of files and devices and the time of birth. */
export interface KeptStat {
  fileMode: number;
  kuid: number;
  kgid: number;
  blockSize: number;
  links: number;
  bytes: number;
  blocks: number;
  atimeSec: number;
  atimeNsec: number;
  ctimeSec: number;
  ctimeNsec: number;
  mtimeSec: number;
  mtimeNsec: number;
}

/** Whether an answer of the host says what is kept already. */
export function isStat(st: HostStat, k: KeptStat): boolean {
  const { address } = st;
  return (
    native.stat_is(
      address,
      k.blockSize,
      k.links,
      k.kuid,
      k.kgid,
      k.fileMode,
      k.bytes,
      k.blocks,
      k.atimeSec,
      k.atimeNsec,
      k.ctimeSec,
      k.ctimeNsec,
      k.mtimeSec,
      k.mtimeNsec,
    ) !== 0
  );
}

/** Keeps an answer of the host. Without the getters, of which each costs more than all the rest of a line while code is young. */
export function keepStat(st: HostStat, k: KeptStat): void {
  const w = st.words;
  k.fileMode = (w[7] ?? 0) & 0xffff;
  k.kuid = w[5] ?? 0;
  k.kgid = w[6] ?? 0;
  k.blockSize = w[1] ?? 0;
  k.links = w[4] ?? 0;
  k.bytes = ((w[11] ?? 0) | 0) * 4294967296 + (w[10] ?? 0);
  k.blocks = (w[13] ?? 0) * 4294967296 + (w[12] ?? 0);
  k.atimeSec = ((w[17] ?? 0) | 0) * 4294967296 + (w[16] ?? 0);
  k.atimeNsec = w[18] ?? 0;
  k.ctimeSec = ((w[25] ?? 0) | 0) * 4294967296 + (w[24] ?? 0);
  k.ctimeNsec = w[26] ?? 0;
  k.mtimeSec = ((w[29] ?? 0) | 0) * 4294967296 + (w[28] ?? 0);
  k.mtimeNsec = w[30] ?? 0;
}

/** What a struct stat of amd64 tells, but the owners. */
export interface StatFields {
  readonly dev: number;
  readonly ino: number;
  readonly nlink: number;
  readonly mode: number;
  readonly rdev: number;
  readonly size: number;
  readonly blksize: number;
  readonly blocks: number;
  readonly atimeSec: number;
  readonly atimeNsec: number;
  readonly mtimeSec: number;
  readonly mtimeNsec: number;
  readonly ctimeSec: number;
  readonly ctimeNsec: number;
}

/** Bytes of a struct stat in `scratch`, for whoever cannot have it stored at once. */
export const storedStat: Uint8Array<ArrayBuffer> = new Uint8Array(scratch.buffer, 0, 144);

/** Puts a struct stat at a host address; 0: into storedStat. Returns the number of bytes not stored. */
export function storeStat(address: number, st: StatFields, uid: number, gid: number): number {
  return native.stat_store(
    address === 0 ? scratchAddress : address,
    st.dev,
    st.ino,
    st.nlink,
    st.mode,
    uid,
    gid,
    st.rdev,
    st.size,
    st.blksize,
    st.blocks,
    st.atimeSec,
    st.atimeNsec,
    st.mtimeSec,
    st.mtimeNsec,
    st.ctimeSec,
    st.ctimeNsec,
  );
}
