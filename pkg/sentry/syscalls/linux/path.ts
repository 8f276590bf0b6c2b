import * as errno from "../../../abi/linux/errno.ts";
import { AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW } from "../../../abi/linux/file.ts";
import * as linuxerr from "../../../errors/linuxerr/index.ts";
import type { Task } from "../../kernel/task.ts";
import { type FileDescription, type KnownPath, PathOperation, type VirtualDentry } from "../../vfs/index.ts";

const SLASH = 0x2f;

/** The place a relative path starts at: the working directory for AT_FDCWD, else the directory open at dirfd. EBADF, ENOTDIR. */
export function startAt(t: Task, dirfd: number, path: string): VirtualDentry {
  if (dirfd === AT_FDCWD || path.charCodeAt(0) === SLASH) return t.fsContext.cwd;
  const file = t.fdTable.get(dirfd);
  if (file === null) throw linuxerr.EBADF;
  if (!file.inode.isDir()) throw linuxerr.ENOTDIR;
  return file.vd;
}

/** A PathOperation for a path already copied in; "" is ENOENT. */
export function pathOperation(t: Task, dirfd: number, path: string, followFinal: boolean): PathOperation {
  if (path.length === 0) throw linuxerr.ENOENT;
  return new PathOperation(t.fsContext.root, startAt(t, dirfd, path), path, followFinal);
}

/**
 * As pathOperation, for calls that take one path and are done with it when the vfs has answered: the object is the next such call's, too.
 * `known` is what is known of the path: no other string has been copied in since.
 */
export function onlyPath(
  t: Task,
  dirfd: number,
  path: string,
  known: KnownPath | null,
  followFinal: boolean,
): PathOperation {
  if (path.length === 0) throw linuxerr.ENOENT;
  const s = t.kernel.syscallScratch;
  const { root } = t.fsContext;
  const start = startAt(t, dirfd, path);
  s.pop ??= new PathOperation(root, start, path, followFinal);
  const { pop } = s;
  pop.root = root;
  pop.start = start;
  pop.path = path;
  pop.followFinalSymlink = followFinal;
  pop.resolve = 0;
  pop.known = known;
  return pop;
}

/**
 * Whether a walk of a path that has just been copied in would end where the last one did: then a call can be answered from that, without a
 * PathOperation. EBADF, ENOTDIR.
 */
export function isKnown(t: Task, dirfd: number, known: KnownPath, follow: boolean): boolean {
  if (known.dentry === null) return false;
  const start = known.absolute ? null : startAt(t, dirfd, known.text);
  return known.holds(t.kernel.vfs, t.creds, t.fsContext.root, start, follow);
}

/** Copies a path in and makes its PathOperation: EFAULT, ENAMETOOLONG, ENOENT, then EBADF, ENOTDIR. */
export function copyInPathOperation(t: Task, dirfd: number, addr: number, followFinal: boolean): PathOperation {
  return pathOperation(t, dirfd, t.copyInPath(addr), followFinal);
}

/** Where an *at(2) call with AT_EMPTY_PATH works: one of the two is not null. */
export interface PathOrFile {
  pop: PathOperation | null;
  /** The description behind dirfd (O_PATH ones too), or null for the working directory. */
  file: FileDescription | null;
}

/**
 * Resolves (dirfd, path, flags) of fchownat(2) and its relatives. With AT_EMPTY_PATH an empty (or NULL) path names dirfd itself:
 * then pop is null, and file is null for AT_FDCWD.
 */
export function copyInPathOrFile(t: Task, dirfd: number, addr: number, flags: number): PathOrFile {
  const empty = (flags & AT_EMPTY_PATH) !== 0;
  const path = empty && addr === 0 ? "" : t.copyInPath(addr);
  if (path.length === 0 && empty) {
    if (dirfd === AT_FDCWD) return { pop: null, file: null };
    const file = t.fdTable.get(dirfd);
    if (file === null) throw linuxerr.EBADF;
    return { pop: null, file };
  }
  return { pop: pathOperation(t, dirfd, path, (flags & AT_SYMLINK_NOFOLLOW) === 0), file: null };
}

/** An open file that is not O_PATH, or null: what most calls on descriptors accept. */
export function openFile(t: Task, fd: number): FileDescription | null {
  const f = t.fdTable.get(fd);
  return f === null || (f.statusFlags & 0o10000000) !== 0 ? null : f;
}

/** As openFile, but throws EBADF. */
export function needFile(t: Task, fd: number): FileDescription {
  const f = openFile(t, fd);
  if (f === null) throw linuxerr.EBADF;
  return f;
}

/** The negative errno of a LinuxError; other exceptions go on. */
export function errnoOf(e: unknown): number {
  if (e instanceof linuxerr.LinuxError) return -e.errno;
  throw e;
}

/** -errno.EINVAL with a name, for flags that a call does not know. */
export const BAD_FLAGS = -errno.EINVAL;
