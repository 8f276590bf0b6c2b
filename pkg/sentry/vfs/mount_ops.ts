import { CAP_SYS_ADMIN } from "../../abi/linux/capability.ts";
import {
  MNT_DETACH,
  MNT_EXPIRE,
  MNT_FORCE,
  MS_BIND,
  MS_NOATIME,
  MS_NODEV,
  MS_NODIRATIME,
  MS_NOEXEC,
  MS_NOSUID,
  MS_PRIVATE,
  MS_RDONLY,
  MS_RELATIME,
  MS_SHARED,
  MS_STRICTATIME,
  UMOUNT_NOFOLLOW,
} from "../../abi/linux/fs.ts";
import * as linuxerr from "../../errors/linuxerr/index.ts";
import type { Credentials, UserNamespace } from "../kernel/auth/index.ts";
import type { Dentry } from "./dentry.ts";
import type { Filesystem, GetFilesystemOptions } from "./filesystem.ts";
import type { Inode } from "./inode.ts";
import { MOUNT_FLAGS, type Mount } from "./mount.ts";
import { MountNamespace } from "./mount_namespace.ts";
import {
  COPY_NAMESPACE_FILES,
  COPY_SHARED_TO_SLAVE,
  COPY_UNBINDABLE,
  changePropagation,
  cloneMount,
  copyTree,
  isPropagatedBusy,
  mountsOf,
  type Propagated,
  propagateTree,
  propagateUmount,
  releaseTree,
} from "./mount_propagation.ts";
import type { PathOperation } from "./options.ts";
import type { VirtualFilesystem } from "./vfs.ts";
import { VirtualDentry } from "./virtual_dentry.ts";

/** Flags about access times. */
const ATIME_FLAGS = MS_NOATIME | MS_NODIRATIME | MS_STRICTATIME;
/** Flags that a less privileged namespace cannot clear. */
const LOCKABLE_FLAGS = MS_RDONLY | MS_NODEV | MS_NOSUID | MS_NOEXEC;

/** The mount namespace whose tree a caller may change: that of the current task; inside the sentry any. */
function isOwnMount(vfs: VirtualFilesystem, m: Mount): boolean {
  const t = vfs.currentTask();
  return m.ns !== null && (t === null || m.ns === t.mountNamespace);
}

/** EINVAL unless the mount is in the caller's namespace. */
function checkOwnMount(vfs: VirtualFilesystem, m: Mount): void {
  if (!isOwnMount(vfs, m)) throw linuxerr.EINVAL;
}

/** Whether the caller rules the filesystem itself, not only mounts of it. */
function mayAdminister(creds: Credentials, fs: Filesystem): boolean {
  const ns = fs.userNamespace;
  return ns === null ? creds.capable(CAP_SYS_ADMIN) : creds.hasCapabilityIn(CAP_SYS_ADMIN, ns);
}

/** As checkOwnMount for the mount that something is to be mounted on; ENOENT when that is nowhere. */
function checkTarget(vfs: VirtualFilesystem, m: Mount): void {
  if (m.ns === null) throw linuxerr.ENOENT;
  checkOwnMount(vfs, m);
}

/** What is mounted on top of a place, if anything: a working directory may have been covered. */
function topOf(vd: VirtualDentry): VirtualDentry {
  let top = vd;
  for (let m = top.mount.children.get(top.dentry); m !== undefined; m = top.mount.children.get(top.dentry)) {
    top = m.rootVD;
  }
  return top;
}

/** VirtualFilesystem.mountAt. */
export function mountAt(
  vfs: VirtualFilesystem,
  creds: Credentials,
  source: string,
  pop: PathOperation,
  type: string,
  opts: GetFilesystemOptions,
): Mount {
  const at = vfs.getDentryAt(creds, pop);
  at.incRef();
  try {
    const fs = vfs.newFilesystem(creds, type, source, opts);
    const mount = vfs.newFirstMount(fs, source, opts.flags);
    try {
      checkTarget(vfs, at.mount);
      if (vfs.fsTypes.get(type)?.userVisible === true) checkNotRevealing(at.mount.ns, mount);
      if (at.mount.fs === fs && at.dentry === at.mount.root) throw linuxerr.EBUSY;
      connectMount(vfs, mount, at);
    } catch (e) {
      releaseTree(mount);
      throw e;
    }
    return mount;
  } finally {
    at.decRef();
  }
}

/**
 * EPERM when a new mount would show a less privileged namespace more of a kind of filesystem than it sees already (mount_too_revealing()); what is
 * locked there is locked on the new one.
 */
function checkNotRevealing(ns: MountNamespace | null, mount: Mount): void {
  if (ns === null || ns.owner.parent === null) return;
  for (const m of mountsOf(ns.root.mount)) {
    if (m.fs.type !== mount.fs.type || m.root !== m.fs.root) continue;
    const readOnly = (m.lockedFlags & MS_RDONLY) !== 0 || m.fs.readOnly;
    if (readOnly && (mount.flags & MS_RDONLY) === 0) continue;
    if (m.lockedAtime && (m.flags & ATIME_FLAGS) !== (mount.flags & ATIME_FLAGS)) continue;
    let hides = false;
    for (const [point, c] of m.children) if (c.locked && !point.inode.isEmptyDirectory()) hides = true;
    if (hides) continue;
    if (readOnly) mount.lockedFlags |= MS_RDONLY;
    mount.lockedAtime = m.lockedAtime;
    return;
  }
  throw linuxerr.EPERM;
}

/** VirtualFilesystem.connectMount: puts a tree that is nowhere, or was just taken off its place, there and where that propagates to. */
export function connectMount(vfs: VirtualFilesystem, mount: Mount, target: VirtualDentry): void {
  const at = topOf(target);
  const { ns } = at.mount;
  if (ns === null || at.dentry.deleted) throw linuxerr.ENOENT;
  if (at.dentry.inode.isDir() !== mount.root.inode.isDir()) throw linuxerr.ENOTDIR;
  const tree = mountsOf(mount);
  const added = mount.ns === null ? tree.length : 0;
  let copies: Propagated[] = [];
  if (at.mount.peers !== null) {
    for (const m of tree) changePropagation(m, MS_SHARED);
    copies = propagateTree(vfs, mount, at.mount, at.dentry);
  }
  try {
    checkRoom(vfs, ns, added, copies, tree.length);
  } catch (e) {
    for (const p of copies) releaseTree(p.tree);
    throw e;
  }
  mount.link(at.mount, at.dentry);
  for (const m of tree) if (m.ns === null) m.join(ns);
  ns.changed();
  for (const p of copies) {
    const to = p.parent.ns;
    if (to === null) {
      releaseTree(p.tree);
      continue;
    }
    if (to.owner !== ns.owner) lockTree(p.tree);
    p.tree.locked = false;
    p.tree.link(p.parent, at.dentry);
    for (const m of mountsOf(p.tree)) if (m.ns === null) m.join(to);
  }
}

/** ENOSPC when a namespace, or all together, would have too many mounts. */
function checkRoom(
  vfs: VirtualFilesystem,
  ns: MountNamespace,
  added: number,
  copies: readonly Propagated[],
  size: number,
): void {
  const wanted = new Map<MountNamespace, number>([[ns, added]]);
  for (const { parent } of copies) {
    if (parent.ns !== null) wanted.set(parent.ns, (wanted.get(parent.ns) ?? 0) + size);
  }
  let all = vfs.mountCount;
  for (const [n, count] of wanted) {
    if (n.mountCount + count > vfs.mountMax) throw linuxerr.ENOSPC;
    all += count;
  }
  if (all > vfs.mountLimit) throw linuxerr.ENOSPC;
}

/**
 * Whether an inode is the file of a mount namespace that may not be mounted in that of `on`: a namespace is pinned by older ones only, or two
 * could keep each other.
 */
function pinsOlder(inode: Inode, on: Mount): boolean {
  const ns = inode.boundNamespace();
  return ns instanceof MountNamespace && (on.ns === null || ns.ino <= on.ns.ino);
}

/** VirtualFilesystem.bindMountAt. */
export function bindMountAt(
  vfs: VirtualFilesystem,
  creds: Credentials,
  source: PathOperation,
  target: PathOperation,
  recursive: boolean,
): Mount {
  const src = vfs.getDentryAt(creds, source);
  src.incRef();
  const at = vfs.getDentryAt(creds, target);
  at.incRef();
  try {
    const ns = src.dentry.inode.boundNamespace();
    if (pinsOlder(src.dentry.inode, at.mount)) throw linuxerr.EINVAL;
    checkTarget(vfs, at.mount);
    const from = src.mount;
    if (from.unbindable) throw linuxerr.EINVAL;
    if (ns === null) checkOwnMount(vfs, from);
    if (src.dentry.deleted) throw linuxerr.ENOENT;
    if (!recursive && hasLockedChildren(src)) throw linuxerr.EINVAL;
    const copy = recursive
      ? copyTree(vfs, from, src.dentry, COPY_NAMESPACE_FILES)
      : cloneMount(vfs, from, src.dentry, 0);
    copy.locked = false;
    try {
      connectMount(vfs, copy, at);
    } catch (e) {
      releaseTree(copy);
      throw e;
    }
    return copy;
  } finally {
    at.decRef();
    src.decRef();
  }
}

/** Whether mounts that hide something are below a place: they must come along. */
function hasLockedChildren(vd: VirtualDentry): boolean {
  for (const [point, m] of vd.mount.children) if (m.locked && vd.dentry.isAncestorOrSelf(point)) return true;
  return false;
}

/** VirtualFilesystem.moveMountAt. */
export function moveMountAt(
  vfs: VirtualFilesystem,
  creds: Credentials,
  source: PathOperation,
  target: PathOperation,
): void {
  const src = vfs.getDentryAt(creds, source);
  src.incRef();
  const at = vfs.getDentryAt(creds, target);
  at.incRef();
  try {
    const m = src.mount;
    const { parent, mountpoint } = m;
    checkTarget(vfs, at.mount);
    checkOwnMount(vfs, m);
    if (src.dentry !== m.root || parent === null || mountpoint === null || m.locked) throw linuxerr.EINVAL;
    if (at.dentry.inode.isDir() !== src.dentry.inode.isDir()) throw linuxerr.EINVAL;
    if (parent.peers !== null) throw linuxerr.EINVAL;
    const tree = mountsOf(m);
    if (at.mount.peers !== null && tree.some(isUnbindable)) throw linuxerr.EINVAL;
    if (at.dentry.deleted) throw linuxerr.ENOENT;
    for (const c of tree) if (pinsOlder(c.root.inode, at.mount)) throw linuxerr.ELOOP;
    for (let p: Mount | null = at.mount; p !== null; p = p.parent) if (p === m) throw linuxerr.ELOOP;
    m.unlink();
    try {
      connectMount(vfs, m, at);
    } catch (e) {
      m.link(parent, mountpoint);
      throw e;
    }
  } finally {
    at.decRef();
    src.decRef();
  }
}

function isShared(m: Mount | null): boolean {
  return m !== null && m.peers !== null;
}

function isUnbindable(m: Mount): boolean {
  return m.unbindable;
}

/** VirtualFilesystem.remountAt. */
export function remountAt(vfs: VirtualFilesystem, creds: Credentials, pop: PathOperation, flags: number): void {
  const vd = vfs.getDentryAt(creds, pop);
  const m = vd.mount;
  checkOwnMount(vfs, m);
  if (vd.dentry !== m.root) throw linuxerr.EINVAL;
  // Without a word about access times they stay as they are.
  let wanted = flags & MOUNT_FLAGS;
  if ((flags & (ATIME_FLAGS | MS_RELATIME)) === 0) wanted |= m.flags & ATIME_FLAGS;
  if ((m.lockedFlags & ~wanted) !== 0) throw linuxerr.EPERM;
  if (m.lockedAtime && (m.flags & ATIME_FLAGS) !== (wanted & ATIME_FLAGS)) throw linuxerr.EPERM;
  if ((flags & MS_BIND) === 0) {
    if (!mayAdminister(creds, m.fs)) throw linuxerr.EPERM;
    m.fs.readOnly = (flags & MS_RDONLY) !== 0;
  }
  m.flags = wanted;
  vfs.changes++;
  m.ns?.changed();
}

/** VirtualFilesystem.setPropagationAt: `type` is one of MS_SHARED, MS_SLAVE, MS_PRIVATE and MS_UNBINDABLE. */
export function setPropagationAt(
  vfs: VirtualFilesystem,
  creds: Credentials,
  pop: PathOperation,
  type: number,
  recursive: boolean,
): void {
  const vd = vfs.getDentryAt(creds, pop);
  const m = vd.mount;
  if (vd.dentry !== m.root || m.ns === null) throw linuxerr.EINVAL;
  if (!creds.hasCapabilityIn(CAP_SYS_ADMIN, m.ns.owner)) throw linuxerr.EPERM;
  for (const c of recursive ? mountsOf(m) : [m]) changePropagation(c, type);
  m.ns.changed();
}

/** VirtualFilesystem.umountAt. */
export function umountAt(vfs: VirtualFilesystem, creds: Credentials, pop: PathOperation, flags: number): void {
  if ((flags & ~(MNT_FORCE | MNT_DETACH | MNT_EXPIRE | UMOUNT_NOFOLLOW)) !== 0) throw linuxerr.EINVAL;
  const vd = topOf(vfs.getDentryAt(creds, pop));
  const m = vd.mount;
  if (vd.dentry !== m.root || m.locked) throw linuxerr.EINVAL;
  checkOwnMount(vfs, m);
  if ((flags & MNT_FORCE) !== 0 && !mayAdminister(creds, m.fs)) throw linuxerr.EPERM;
  if ((flags & MNT_EXPIRE) !== 0) {
    if (m === pop.root.mount || (flags & (MNT_FORCE | MNT_DETACH)) !== 0) throw linuxerr.EINVAL;
    if (m.refs > 0 || m.children.size > 0) throw linuxerr.EBUSY;
    if (!m.expiryMark) {
      m.expiryMark = true;
      throw linuxerr.EAGAIN;
    }
  }
  if (m === pop.root.mount && (flags & MNT_DETACH) === 0) {
    // Linux would make the root read-only instead.
    throw mayAdminister(creds, m.fs) ? linuxerr.EBUSY : linuxerr.EPERM;
  }
  // The root of the namespace stays.
  if (m.parent === null) throw linuxerr.EINVAL;
  if ((flags & MNT_DETACH) === 0 && (m.refs > 0 || m.children.size > 0 || isPropagatedBusy(m))) throw linuxerr.EBUSY;
  umountTree(m, true);
}

/** A mount that covers the root of one that goes, and where it will be. */
interface Overmount {
  readonly mount: Mount;
  readonly parent: Mount;
  readonly mountpoint: Dentry;
}

/** The mounts that stay although what they cover goes: each moves to the place of the highest that goes from under it. */
function overmounts(going: ReadonlySet<Mount>): Overmount[] {
  const out: Overmount[] = [];
  for (const m of going) {
    const over = m.children.get(m.root);
    if (over === undefined || going.has(over)) continue;
    let { parent, mountpoint } = m;
    while (parent !== null && going.has(parent)) ({ parent, mountpoint } = parent);
    if (parent !== null && mountpoint !== null) out.push({ mount: over, parent, mountpoint });
  }
  return out;
}

/** VirtualFilesystem.umountTree. */
export function umountTree(mount: Mount, propagate: boolean): void {
  const all = new Set(mountsOf(mount));
  if (propagate) propagateUmount(all);
  const staying = overmounts(all);
  for (const m of all) {
    changePropagation(m, MS_PRIVATE);
    m.leave();
  }
  for (const m of all) {
    // What hides something stays on what goes, for those who stand in there.
    if (m.locked && m.parent !== null && all.has(m.parent)) continue;
    m.unlink();
  }
  for (const { mount: over, parent, mountpoint } of staying) {
    over.unlink();
    over.link(parent, mountpoint);
  }
  for (const m of all) m.releaseIfUnused();
}

/** VirtualFilesystem.pivotRootAt; pivot_root(2) lists the conditions. */
export function pivotRootAt(
  vfs: VirtualFilesystem,
  creds: Credentials,
  newRoot: PathOperation,
  putOld: PathOperation,
): void {
  const next = vfs.getDentryAt(creds, newRoot, { checkSearchable: true });
  next.incRef();
  const put = vfs.getDentryAt(creds, putOld, { checkSearchable: true });
  put.incRef();
  try {
    const root = newRoot.root;
    const { ns } = root.mount;
    const oldMount = root.mount;
    const nextParent = next.mount.parent;
    const parents = [put.mount, next.mount.parent, oldMount.parent];
    if (parents.some(isShared)) throw linuxerr.EINVAL;
    if (ns === null || next.mount.ns !== ns || !isOwnMount(vfs, oldMount) || next.mount.locked) throw linuxerr.EINVAL;
    if (next.dentry.deleted) throw linuxerr.ENOENT;
    if (next.mount === oldMount || put.mount === oldMount) throw linuxerr.EBUSY;
    if (root.dentry !== oldMount.root || next.dentry !== next.mount.root) throw linuxerr.EINVAL;
    if (nextParent === null) throw linuxerr.EINVAL;
    if (!isReachable(put, next) || !isReachable(next, root)) throw linuxerr.EINVAL;
    const { parent, mountpoint } = oldMount;
    next.mount.unlink();
    if (oldMount.locked) {
      next.mount.locked = true;
      oldMount.locked = false;
    }
    if (parent !== null && mountpoint !== null) {
      oldMount.unlink();
      next.mount.link(parent, mountpoint);
    } else {
      ns.root = next.mount.rootVD;
    }
    oldMount.link(put.mount, put.dentry);
    ns.changed();
  } finally {
    put.decRef();
    next.decRef();
  }
}

/** Whether vd is at or below `top`. */
function isReachable(vd: VirtualDentry, top: VirtualDentry): boolean {
  let m = vd.mount;
  let d = vd.dentry;
  while (m !== top.mount) {
    if (m.parent === null || m.mountpoint === null) return false;
    d = m.mountpoint;
    m = m.parent;
  }
  return top.dentry.isAncestorOrSelf(d);
}

/** Less privileged namespaces may not take mounts apart, nor weaken their flags (lock_mnt_tree()). */
function lockTree(top: Mount): void {
  for (const m of mountsOf(top)) {
    m.lockedAtime = true;
    m.lockedFlags |= m.flags & LOCKABLE_FLAGS;
    if (m !== top) m.locked = true;
  }
}

/** VirtualFilesystem.cloneMountNamespace. */
export function cloneMountNamespace(
  vfs: VirtualFilesystem,
  ns: MountNamespace,
  owner: UserNamespace,
  ino: number,
  places: VirtualDentry[],
): MountNamespace {
  const oldRoot = ns.root.mount;
  const other = owner !== ns.owner;
  const newRoot = copyTree(vfs, oldRoot, oldRoot.root, COPY_UNBINDABLE | (other ? COPY_SHARED_TO_SLAVE : 0));
  if (other) lockTree(newRoot);
  const copy = new MountNamespace(newRoot, owner, ino);
  for (const m of mountsOf(newRoot)) if (m !== newRoot) m.join(copy);
  for (let i = 0; i < places.length; i++) {
    const p = places[i];
    const m = p === undefined ? null : counterpart(p.mount, oldRoot, newRoot);
    if (p !== undefined && m !== null) places[i] = new VirtualDentry(m, p.dentry);
  }
  return copy;
}

/** The mount in a copied tree that a mount of the original corresponds to, or null. */
function counterpart(m: Mount, oldRoot: Mount, newRoot: Mount): Mount | null {
  const way: Mount[] = [];
  for (let p = m; p !== oldRoot; p = p.parent) {
    way.push(p);
    if (p.parent === null) return null;
  }
  let at = newRoot;
  for (const step of way.reverse()) {
    const next = step.mountpoint === null ? undefined : at.children.get(step.mountpoint);
    if (next === undefined) return null;
    at = next;
  }
  return at;
}
