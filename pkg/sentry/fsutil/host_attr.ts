import {
  STATFS_BAVAIL,
  STATFS_BFREE,
  STATFS_BLOCKS,
  STATFS_BSIZE,
  STATFS_FFREE,
  STATFS_FILES,
  STATFS_FRSIZE,
  STATFS_FSID,
  STATFS_NAMELEN,
  STATFS_TYPE,
} from "../../abi/linux/fs.ts";
import { STATX_BASIC_STATS, STATX_BTIME } from "../../abi/linux/stat.ts";
import * as linuxerr from "../../errors/linuxerr/index.ts";
import * as host from "../../hostsyscall/index.ts";
import type { Statfs, Statx } from "../vfs/index.ts";

/** Copies what the host says about a file, with the device numbers the guest shall see. */
export function fillStatx(out: Statx, st: host.HostStat, dev: number): void {
  out.mask = STATX_BASIC_STATS | (st.mask & STATX_BTIME);
  out.blksize = st.blksize;
  out.attributes = 0;
  out.attributesMask = 0;
  out.nlink = st.nlink;
  out.uid = st.uid;
  out.gid = st.gid;
  out.mode = st.mode;
  out.ino = st.ino;
  out.size = st.size;
  out.blocks = st.blocks;
  out.atimeSec = st.atimeSec;
  out.atimeNsec = st.atimeNsec;
  const birth = (st.mask & STATX_BTIME) !== 0;
  out.btimeSec = birth ? st.btimeSec : 0;
  out.btimeNsec = birth ? st.btimeNsec : 0;
  out.ctimeSec = st.ctimeSec;
  out.ctimeNsec = st.ctimeNsec;
  out.mtimeSec = st.mtimeSec;
  out.mtimeNsec = st.mtimeNsec;
  out.rdev = st.rdev;
  out.dev = dev;
  out.mountID = 0;
}

/** fstatfs(2) of a host descriptor; throws the host's error. */
export function fillStatfs(out: Statfs, fd: number): void {
  const words = new Uint32Array(32);
  const r = host.fstatfs(fd, new Uint8Array(words.buffer));
  if (r < 0) throw linuxerr.fromErrno(-r);
  out.type = words[STATFS_TYPE / 4] ?? 0;
  out.bsize = host.getU64(words, STATFS_BSIZE / 4);
  out.blocks = host.getU64(words, STATFS_BLOCKS / 4);
  out.bfree = host.getU64(words, STATFS_BFREE / 4);
  out.bavail = host.getU64(words, STATFS_BAVAIL / 4);
  out.files = host.getU64(words, STATFS_FILES / 4);
  out.ffree = host.getU64(words, STATFS_FFREE / 4);
  out.fsid0 = words[STATFS_FSID / 4] ?? 0;
  out.fsid1 = words[STATFS_FSID / 4 + 1] ?? 0;
  out.namelen = host.getU64(words, STATFS_NAMELEN / 4);
  out.frsize = host.getU64(words, STATFS_FRSIZE / 4);
}
