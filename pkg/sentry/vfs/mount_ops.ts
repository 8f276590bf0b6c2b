import { MNT_DETACH, MNT_EXPIRE, MNT_FORCE, MS_BIND, MS_RDONLY, UMOUNT_NOFOLLOW } from "../../abi/linux/fs.ts";
import * as linuxerr from "../../errors/linuxerr/index.ts";
import type { Credentials, UserNamespace } from "../kernel/auth/index.ts";
import type { Dentry } from "./dentry.ts";
import type { GetFilesystemOptions } from "./filesystem.ts";
import { MOUNT_FLAGS, type Mount, MountNamespace } from "./mount.ts";
import type { PathOperation } from "./options.ts";
import { buildPathname } from "./pathname.ts";
import type { VirtualFilesystem } from "./vfs.ts";
import { VirtualDentry } from "./virtual_dentry.ts";

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
      connectMount(vfs, mount, at);
    } catch (e) {
      mount.release();
      throw e;
    }
    return mount;
  } finally {
    at.decRef();
  }
}

/** VirtualFilesystem.connectMount. */
export function connectMount(vfs: VirtualFilesystem, mount: Mount, at: VirtualDentry): void {
  const ns = at.mount.ns;
  if (ns === null) throw linuxerr.EINVAL;
  if (at.dentry.deleted) throw linuxerr.ENOENT;
  if (at.dentry.inode.isDir() !== mount.root.inode.isDir()) throw linuxerr.ENOTDIR;
  if (ns.mountCount >= vfs.mountMax) throw linuxerr.ENOSPC;
  mount.attach(ns, at.mount, at.dentry);
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
  let copy: Mount | null = null;
  try {
    if (src.mount.ns === null) throw linuxerr.EINVAL;
    if (src.dentry.deleted) throw linuxerr.ENOENT;
    copy = vfs.newDisconnectedMount(src.mount.fs, src.dentry, src.mount.source, src.mount.flags);
    // Connect last: a bind into its own source must not copy itself.
    const children = recursive ? [...src.mount.children] : [];
    connectMount(vfs, copy, at);
    const map = new Map<Mount, Mount>([[src.mount, copy]]);
    const todo = children.filter((m) => isBelow(m, src));
    for (let m = todo.shift(); m !== undefined; m = todo.shift()) {
      if (m === copy) continue;
      const parent = m.parent === null ? undefined : map.get(m.parent);
      if (parent === undefined || m.mountpoint === null) continue;
      if (parent.ns === null || parent.ns.mountCount >= vfs.mountMax) throw linuxerr.ENOSPC;
      const c = vfs.newDisconnectedMount(m.fs, m.root, m.source, m.flags);
      c.attach(parent.ns, parent, m.mountpoint);
      map.set(m, c);
      for (const below of m.children) if (below !== copy && !map.has(below)) todo.push(below);
    }
    return copy;
  } catch (e) {
    if (copy !== null) {
      if (copy.ns !== null) umountTree(copy);
      else copy.release();
    }
    throw e;
  } finally {
    at.decRef();
    src.decRef();
  }
}

function isBelow(m: Mount, src: VirtualDentry): boolean {
  return m.mountpoint !== null && src.dentry.isAncestorOrSelf(m.mountpoint);
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
    const ns = m.ns;
    if (src.dentry !== m.root || m.parent === null || ns === null || at.mount.ns !== ns) throw linuxerr.EINVAL;
    if (at.dentry.inode.isDir() !== src.dentry.inode.isDir()) throw linuxerr.ENOTDIR;
    if (at.dentry.deleted) throw linuxerr.ENOENT;
    for (let p: Mount | null = at.mount; p !== null; p = p.parent) if (p === m) throw linuxerr.ELOOP;
    m.detach();
    m.attach(ns, at.mount, at.dentry);
  } finally {
    at.decRef();
    src.decRef();
  }
}

/** VirtualFilesystem.remountAt. */
export function remountAt(vfs: VirtualFilesystem, creds: Credentials, pop: PathOperation, flags: number): void {
  const vd = vfs.getDentryAt(creds, pop);
  if (vd.dentry !== vd.mount.root || vd.mount.ns === null) throw linuxerr.EINVAL;
  vd.mount.flags = flags & MOUNT_FLAGS;
  vd.mount.ns.changed();
  if ((flags & MS_BIND) === 0) vd.mount.fs.readOnly = (flags & MS_RDONLY) !== 0;
}

/** VirtualFilesystem.umountAt. */
export function umountAt(vfs: VirtualFilesystem, creds: Credentials, pop: PathOperation, flags: number): void {
  if ((flags & ~(MNT_FORCE | MNT_DETACH | MNT_EXPIRE | UMOUNT_NOFOLLOW)) !== 0) throw linuxerr.EINVAL;
  if ((flags & MNT_EXPIRE) !== 0) throw (flags & (MNT_FORCE | MNT_DETACH)) !== 0 ? linuxerr.EINVAL : linuxerr.EAGAIN;
  const vd = vfs.getDentryAt(creds, pop);
  const m = vd.mount;
  if (vd.dentry !== m.root || m.ns === null) throw linuxerr.EINVAL;
  // The root of the namespace stays.
  if (m.parent === null) throw linuxerr.EINVAL;
  if ((flags & MNT_DETACH) !== 0) {
    umountTree(m);
    return;
  }
  if (m.refs > 0 || m.children.size > 0) throw linuxerr.EBUSY;
  m.detach();
}

/** VirtualFilesystem.umountTree. */
export function umountTree(mount: Mount): void {
  const all: Mount[] = [mount];
  for (let i = 0; i < all.length; i++) {
    const m = all[i];
    if (m !== undefined) for (const c of m.children) all.push(c);
  }
  for (let i = all.length - 1; i >= 0; i--) all[i]?.detach();
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
    const ns = root.mount.ns;
    const oldMount = root.mount;
    if (ns === null || next.mount.ns !== ns || put.mount.ns !== ns) throw linuxerr.EINVAL;
    if (next.dentry.deleted) throw linuxerr.ENOENT;
    if (next.mount === oldMount || put.mount === oldMount) throw linuxerr.EBUSY;
    if (root.dentry !== oldMount.root || next.dentry !== next.mount.root) throw linuxerr.EINVAL;
    const nextParent = next.mount.parent;
    if (nextParent === null) throw linuxerr.EINVAL;
    if (!isReachable(put, next) || !isReachable(next, root)) throw linuxerr.EINVAL;
    const oldParent = oldMount.parent;
    const oldPoint = oldMount.mountpoint;
    // Held while they are nowhere.
    oldMount.refs++;
    next.mount.detach();
    if (oldParent !== null && oldPoint !== null) {
      oldMount.detach();
      next.mount.attach(ns, oldParent, oldPoint);
    } else {
      oldMount.ns = null;
      next.mount.ns = ns;
      ns.root = next.mount.rootVD;
    }
    oldMount.attach(ns, put.mount, put.dentry);
    oldMount.decRef();
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

/** VirtualFilesystem.cloneMountNamespace. */
export function cloneMountNamespace(
  vfs: VirtualFilesystem,
  ns: MountNamespace,
  owner: UserNamespace,
  places: VirtualDentry[],
): MountNamespace {
  const oldRoot = ns.root.mount;
  const newRoot = vfs.newDisconnectedMount(oldRoot.fs, oldRoot.root, oldRoot.source, oldRoot.flags);
  const copy = new MountNamespace(newRoot, owner);
  const map = new Map<Mount, Mount>([[oldRoot, newRoot]]);
  const todo = [...oldRoot.children];
  for (let i = 0; i < todo.length; i++) {
    const m = todo[i];
    const parent = m === undefined || m.parent === null ? undefined : map.get(m.parent);
    if (m === undefined || parent === undefined || m.mountpoint === null) continue;
    const c = vfs.newDisconnectedMount(m.fs, m.root, m.source, m.flags);
    c.attach(copy, parent, m.mountpoint);
    map.set(m, c);
    for (const below of m.children) todo.push(below);
  }
  for (let i = 0; i < places.length; i++) {
    const p = places[i];
    const m = p === undefined ? undefined : map.get(p.mount);
    if (p !== undefined && m !== undefined) places[i] = new VirtualDentry(m, p.dentry);
  }
  return copy;
}

/** All mounts of the namespace that can be seen from `root`, parents first. */
function visibleMounts(root: VirtualDentry): Mount[] {
  const all: Mount[] = [root.mount];
  for (let i = 0; i < all.length; i++) {
    const m = all[i];
    if (m !== undefined) for (const c of m.children) all.push(c);
  }
  all.sort(byID);
  return all;
}

function byID(a: Mount, b: Mount): number {
  return a.id - b.id;
}

/** Space, tab, newline, backslash and hash as octal escapes. */
function escape(s: string): string {
  return s.replace(/[ \t\n\\#]/g, (c) => `\\${c.charCodeAt(0).toString(8).padStart(3, "0")}`);
}

/** Path of a dentry in its filesystem. */
function pathInFilesystem(dentry: Dentry): string {
  const names: string[] = [];
  for (let d = dentry; d.parent !== null; d = d.parent) names.push(d.name);
  return `/${names.reverse().join("/")}`;
}

/** The super block options: ro or rw, and what the filesystem adds. */
function superOptions(m: Mount): string {
  const extra = m.fs.mountOptions();
  const rw = m.fs.readOnly ? "ro" : "rw";
  return extra === "" ? rw : `${rw},${extra}`;
}

/** VirtualFilesystem.mountInfo; fields as in proc_pid_mountinfo(5). */
export function mountInfo(root: VirtualDentry): string {
  let s = "";
  for (const m of visibleMounts(root)) {
    const at = mountPath(m, root);
    if (at === null) continue;
    const parentID = m.parent === null ? m.id : m.parent.id;
    const inFS = pathInFilesystem(m.root);
    s += `${m.id} ${parentID} 0:${m.fs.devMinor} ${escape(inFS)} ${escape(at)} ${m.optionString()} - ${m.fs.type} `;
    s += `${escape(m.source === "" ? "none" : m.source)} ${superOptions(m)}\n`;
  }
  return s;
}

/** VirtualFilesystem.mounts; fields as in proc_pid_mounts(5). */
export function mountsTable(root: VirtualDentry): string {
  let s = "";
  for (const m of visibleMounts(root)) {
    const at = mountPath(m, root);
    if (at === null) continue;
    const extra = m.fs.mountOptions();
    const opts = m.readOnly() ? m.optionString().replace(/^rw/, "ro") : m.optionString();
    s += `${escape(m.source === "" ? "none" : m.source)} ${escape(at)} ${m.fs.type} `;
    s += `${extra === "" ? opts : `${opts},${extra}`} 0 0\n`;
  }
  return s;
}

/** Where a mount is, seen from `root`; null when it cannot be seen. */
function mountPath(m: Mount, root: VirtualDentry): string | null {
  if (m === root.mount && m.root !== root.dentry) return m.root.isAncestorOrSelf(root.dentry) ? "/" : null;
  const { path, reachable } = buildPathname(root, m.rootVD);
  return reachable ? path : null;
}
