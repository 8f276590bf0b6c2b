import { stateType } from "../../state/index.ts";
import type { VirtualDentry } from "../vfs/virtual_dentry.ts";

/**
 * Root, working directory and umask of a process (Linux's fs_struct), shared by tasks under CLONE_FS. It holds a
 * reference on both directories.
 */
export class FSContext {
  static readonly stateType = stateType("kernel.FSContext", ["refs", "root", "cwd", "umask"]);
  /** Tasks sharing the context. */
  refs = 1;
  root: VirtualDentry;
  cwd: VirtualDentry;
  /** File mode creation mask, 0..0777. */
  umask: number;

  /** Takes its own references on root and cwd. */
  constructor(root: VirtualDentry, cwd: VirtualDentry, umask: number) {
    this.root = root;
    this.cwd = cwd;
    this.umask = umask;
    root.incRef();
    cwd.incRef();
  }

  /** Adds a sharer (CLONE_FS). */
  incRef(): void {
    this.refs++;
  }

  /** Drops a sharer; the last one lets go of the directories. */
  decRef(): void {
    this.refs--;
    if (this.refs > 0) return;
    this.root.decRef();
    this.cwd.decRef();
  }

  /** A copy of its own: fork(2), unshare(CLONE_FS). */
  fork(): FSContext {
    return new FSContext(this.root, this.cwd, this.umask);
  }

  /** chdir(2). */
  setWorkingDirectory(vd: VirtualDentry): void {
    vd.incRef();
    const old = this.cwd;
    this.cwd = vd;
    old.decRef();
  }

  /** chroot(2). */
  setRootDirectory(vd: VirtualDentry): void {
    vd.incRef();
    const old = this.root;
    this.root = vd;
    old.decRef();
  }

  /** umask(2): sets the mask and returns the old one. */
  swapUmask(mask: number): number {
    const old = this.umask;
    this.umask = mask & 0o777;
    return old;
  }
}
