import { MS_PRIVATE, MS_SHARED, MS_SLAVE, MS_UNBINDABLE } from "../../abi/linux/fs.ts";
import * as linuxerr from "../../errors/linuxerr/index.ts";
import { stateType } from "../../state/index.ts";
import type { Dentry } from "./dentry.ts";
import type { Mount } from "./mount.ts";
import { MountNamespace } from "./mount_namespace.ts";
import type { VirtualFilesystem } from "./vfs.ts";

/** Mounts that share what is mounted on them, and those that receive it without giving back (mount_namespaces(7), "Shared subtrees"). */
export class PeerGroup {
  static readonly stateType = stateType("vfs.PeerGroup", ["id", "members", "slaves"]);
  /** As in mountinfo: "shared:1". */
  readonly id: number;
  readonly members: Set<Mount> = new Set();
  readonly slaves: Set<Mount> = new Set();

  constructor(id: number) {
    this.id = id;
  }
}

// How a copy of a mount relates to the original (CL_* of fs/pnode.h). Without the first three it is its peer.
/** The copy is a slave of the original's peers. */
export const COPY_SLAVE = 1;
/** The copy shares nothing. */
export const COPY_PRIVATE = 2;
/** The copy of a shared mount is its slave: for less privileged namespaces. */
export const COPY_SHARED_TO_SLAVE = 4;
/** The copy begins a peer group of its own, unless it is in one. */
export const COPY_MAKE_SHARED = 8;
/** Unbindable mounts are copied too. */
export const COPY_UNBINDABLE = 16;
/** Mounts of mount namespaces are copied too. */
export const COPY_NAMESPACE_FILES = 32;

/** Whether the root of a mount is the file of a mount namespace. */
export function isMountNamespaceFile(root: Dentry): boolean {
  return root.inode.boundNamespace() instanceof MountNamespace;
}

function startGroup(m: Mount): void {
  const g = new PeerGroup(++m.fs.vfs.lastPeerGroup);
  g.members.add(m);
  m.peers = g;
}

/** A copy of a mount that shows `root`, nowhere yet. */
export function cloneMount(vfs: VirtualFilesystem, old: Mount, root: Dentry, how: number): Mount {
  const m = vfs.newDisconnectedMount(old.fs, root, old.source, old.flags);
  m.locked = old.locked;
  m.lockedFlags = old.lockedFlags;
  m.lockedAtime = old.lockedAtime;
  m.unbindable = old.unbindable;
  const group = old.peers;
  if (group !== null && (how & (COPY_SLAVE | COPY_PRIVATE | COPY_SHARED_TO_SLAVE)) === 0) {
    group.members.add(m);
    m.peers = group;
  }
  if ((how & COPY_MAKE_SHARED) !== 0 && m.peers === null) startGroup(m);
  if ((how & COPY_PRIVATE) !== 0) return m;
  const slave = group !== null && (how & (COPY_SLAVE | COPY_SHARED_TO_SLAVE)) !== 0;
  m.master = slave ? group : old.master;
  m.master?.slaves.add(m);
  return m;
}

/**
 * A copy of a mount and all below `root` of it, nowhere yet. EINVAL when the mount cannot be bound, EPERM when that is so for one below that hides
 * something, ENOSPC. `before` mounts were copied already and count.
 */
export function copyTree(vfs: VirtualFilesystem, top: Mount, root: Dentry, how: number, before = 0): Mount {
  const unbindable = (how & COPY_UNBINDABLE) !== 0;
  if (top.unbindable && !unbindable) throw linuxerr.EINVAL;
  const copy = cloneMount(vfs, top, root, how);
  // Grows while it is walked.
  const todo: [Mount, Mount][] = [[top, copy]];
  let count = before + 1;
  try {
    for (const [from, to] of todo) {
      for (const [point, m] of from.children) {
        if (from === top && !root.isAncestorOrSelf(point)) continue;
        if (m.unbindable && !unbindable) {
          if (m.locked) throw linuxerr.EPERM;
          continue;
        }
        if ((how & COPY_NAMESPACE_FILES) === 0 && isMountNamespaceFile(m.root)) continue;
        if (vfs.mountCount + ++count > vfs.mountLimit) throw linuxerr.ENOSPC;
        const c = cloneMount(vfs, m, m.root, how);
        c.link(to, point);
        todo.push([m, c]);
      }
    }
  } catch (e) {
    releaseTree(copy);
    throw e;
  }
  return copy;
}

/** The mounts of a tree, parents first. */
export function mountsOf(top: Mount): Mount[] {
  const all = [top];
  for (let i = 0; i < all.length; i++) {
    const m = all[i];
    if (m !== undefined) for (const c of m.children.values()) all.push(c);
  }
  return all;
}

/** Drops a tree that is nowhere. */
export function releaseTree(top: Mount): void {
  for (const m of mountsOf(top).reverse()) {
    changePropagation(m, MS_PRIVATE);
    m.unlink();
    m.releaseIfUnused();
  }
}

/** MS_SHARED, MS_SLAVE, MS_PRIVATE or MS_UNBINDABLE for one mount. */
export function changePropagation(m: Mount, type: number): void {
  if (type === MS_SHARED) {
    if (m.peers === null) startGroup(m);
    m.unbindable = false;
    return;
  }
  let master = m.master;
  const group = m.peers;
  if (group !== null) {
    group.members.delete(m);
    m.peers = null;
    if (group.members.size > 0) master = group;
    else {
      // The last one: its slaves receive from its own master.
      for (const s of group.slaves) {
        s.master = master;
        master?.slaves.add(s);
      }
      group.slaves.clear();
    }
  }
  m.master?.slaves.delete(m);
  m.master = null;
  if (type !== MS_SLAVE) m.unbindable = type === MS_UNBINDABLE;
  else if (master !== null) {
    m.master = master;
    master.slaves.add(m);
  }
}

/** Every mount that receives what happens on `m`: peers, slaves, and theirs. */
export function receiversOf(m: Mount): Mount[] {
  const out: Mount[] = [];
  const seen = new Set<Mount>([m]);
  const groups: PeerGroup[] = m.peers === null ? [] : [m.peers];
  const visited = new Set<PeerGroup>(groups);
  for (let g = groups.pop(); g !== undefined; g = groups.pop()) {
    for (const r of [...g.members, ...g.slaves]) {
      if (!seen.has(r)) {
        seen.add(r);
        out.push(r);
      }
      if (r.peers !== null && !visited.has(r.peers)) {
        visited.add(r.peers);
        groups.push(r.peers);
      }
    }
  }
  return out;
}

/** A copy of a tree, and the mount it goes to. */
export interface Propagated {
  readonly tree: Mount;
  readonly parent: Mount;
}

/** Copies of a tree of shared mounts for every mount that receives what is mounted at (dest, point). ENOSPC. */
export function propagateTree(vfs: VirtualFilesystem, source: Mount, dest: Mount, point: Dentry): Propagated[] {
  const out: Propagated[] = [];
  const size = mountsOf(source).length;
  const seen = new Set<Mount>([dest]);
  const todo: [PeerGroup, Mount][] = dest.peers === null ? [] : [[dest.peers, source]];
  const give = (m: Mount, from: Mount, how: number): Mount | null => {
    if (seen.has(m)) return null;
    seen.add(m);
    if (m.ns === null || !m.root.isAncestorOrSelf(point)) return null;
    const tree = copyTree(vfs, from, from.root, how, out.length * size);
    out.push({ tree, parent: m });
    return tree;
  };
  try {
    for (const [group, from] of todo) {
      for (const m of group.members) give(m, from, 0);
      for (const s of group.slaves) {
        if (seen.has(s)) continue;
        if (s.peers === null) {
          give(s, from, COPY_SLAVE);
          continue;
        }
        // A group of slaves: the first gets a slave of the source, the others peers of that.
        let base: Mount | null = null;
        for (const m of s.peers.members) {
          const tree: Mount | null = base === null ? give(m, from, COPY_SLAVE | COPY_MAKE_SHARED) : give(m, base, 0);
          base ??= tree;
        }
        todo.push([s.peers, base ?? from]);
      }
    }
  } catch (e) {
    for (const p of out) releaseTree(p.tree);
    throw e;
  }
  return out;
}

/**
 * What is unmounted along with `set` (parents first) on the mounts that receive it: added to the set. Mounts that are locked, or have something on them
 * that stays, remain.
 */
export function propagateUmount(set: Set<Mount>): void {
  for (const m of [...set].reverse()) {
    const { parent, mountpoint } = m;
    if (parent === null || mountpoint === null) continue;
    for (const r of receiversOf(parent)) {
      const c = r.children.get(mountpoint);
      if (c === undefined || set.has(c) || c.locked) continue;
      let stays = false;
      for (const [point, below] of c.children) if (point !== c.root && !set.has(below)) stays = true;
      if (!stays) set.add(c);
    }
  }
}

/** Whether unmounting `m` fails because a mount that would go along is in use. */
export function isPropagatedBusy(m: Mount): boolean {
  const { parent, mountpoint } = m;
  if (parent === null || mountpoint === null) return false;
  for (const r of receiversOf(parent)) {
    const c = r.children.get(mountpoint);
    if (c !== undefined && c.children.size === 0 && c.refs > 0) return true;
  }
  return false;
}
