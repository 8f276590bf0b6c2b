import * as fs from "../../../abi/linux/fs.ts";
import * as linux from "../../../abi/linux/stat.ts";
import * as linuxerr from "../../../errors/linuxerr/index.ts";
import * as host from "../../../hostsyscall/index.ts";
import type { Task } from "../../kernel/task.ts";
import { AccessWrite } from "../../memmap/index.ts";
import type { Statfs, Statx } from "../../vfs/index.ts";

/** Stores st as struct stat, ids mapped into the caller's user namespace. EFAULT. */
export function copyOutStat(t: Task, addr: number, st: Statx): void {
  const ns = t.creds.userNamespace;
  const at = t.mm.hostRange(addr, linux.SIZEOF_STAT, AccessWrite);
  const left = host.storeStat(at, st, ns.uidOrOverflow(st.uid), ns.gidOrOverflow(st.gid));
  if (at === 0) t.copyOut(addr, host.storedStat, 0, linux.SIZEOF_STAT);
  else if (left !== 0) throw linuxerr.EFAULT;
}

/** Stores st as struct statx. EFAULT. */
export function copyOutStatx(t: Task, addr: number, st: Statx): void {
  const k = t.kernel;
  const w = k.scratchWords;
  const ns = t.creds.userNamespace;
  w.fill(0, 0, linux.SIZEOF_STATX / 4);
  w[linux.STATX_OFF_MASK / 4] = st.mask;
  w[linux.STATX_OFF_BLKSIZE / 4] = st.blksize;
  w[linux.STATX_OFF_ATTRIBUTES / 4] = st.attributes;
  w[linux.STATX_OFF_NLINK / 4] = st.nlink;
  w[linux.STATX_OFF_UID / 4] = ns.uidOrOverflow(st.uid);
  w[linux.STATX_OFF_GID / 4] = ns.gidOrOverflow(st.gid);
  w[linux.STATX_OFF_MODE / 4] = st.mode;
  put64(w, linux.STATX_OFF_INO, st.ino);
  put64(w, linux.STATX_OFF_SIZE, st.size);
  put64(w, linux.STATX_OFF_BLOCKS, st.blocks);
  w[linux.STATX_OFF_ATTRIBUTES_MASK / 4] = st.attributesMask;
  put64(w, linux.STATX_OFF_ATIME, st.atimeSec);
  w[linux.STATX_OFF_ATIME / 4 + 2] = st.atimeNsec;
  if ((st.mask & linux.STATX_BTIME) !== 0) {
    put64(w, linux.STATX_OFF_BTIME, st.btimeSec);
    w[linux.STATX_OFF_BTIME / 4 + 2] = st.btimeNsec;
  }
  put64(w, linux.STATX_OFF_CTIME, st.ctimeSec);
  w[linux.STATX_OFF_CTIME / 4 + 2] = st.ctimeNsec;
  put64(w, linux.STATX_OFF_MTIME, st.mtimeSec);
  w[linux.STATX_OFF_MTIME / 4 + 2] = st.mtimeNsec;
  w[linux.STATX_OFF_RDEV_MAJOR / 4] = linux.deviceMajor(st.rdev);
  w[linux.STATX_OFF_RDEV_MINOR / 4] = linux.deviceMinor(st.rdev);
  w[linux.STATX_OFF_DEV_MAJOR / 4] = linux.deviceMajor(st.dev);
  w[linux.STATX_OFF_DEV_MINOR / 4] = linux.deviceMinor(st.dev);
  put64(w, linux.STATX_OFF_MNT_ID, st.mountID);
  t.copyOut(addr, k.scratch, 0, linux.SIZEOF_STATX);
}

/** Stores st as struct statfs. EFAULT. */
export function copyOutStatfs(t: Task, addr: number, st: Statfs): void {
  const k = t.kernel;
  const w = k.scratchWords;
  w.fill(0, 0, fs.SIZEOF_STATFS / 4);
  put64(w, fs.STATFS_TYPE, st.type);
  put64(w, fs.STATFS_BSIZE, st.bsize);
  put64(w, fs.STATFS_BLOCKS, st.blocks);
  put64(w, fs.STATFS_BFREE, st.bfree);
  put64(w, fs.STATFS_BAVAIL, st.bavail);
  put64(w, fs.STATFS_FILES, st.files);
  put64(w, fs.STATFS_FFREE, st.ffree);
  w[fs.STATFS_FSID / 4] = st.fsid0;
  w[fs.STATFS_FSID / 4 + 1] = st.fsid1;
  put64(w, fs.STATFS_NAMELEN, st.namelen);
  put64(w, fs.STATFS_FRSIZE, st.frsize);
  put64(w, fs.STATFS_FLAGS, st.flags);
  t.copyOut(addr, k.scratch, 0, fs.SIZEOF_STATFS);
}

function put64(w: Uint32Array, offset: number, v: number): void {
  w[offset / 4] = v;
  w[offset / 4 + 1] = Math.floor(v / 4294967296);
}
