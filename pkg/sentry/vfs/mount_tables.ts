import type { Dentry } from "./dentry.ts";
import type { Mount } from "./mount.ts";
import { mountsOf, type PeerGroup } from "./mount_propagation.ts";
import { buildPathname } from "./pathname.ts";
import type { VirtualDentry } from "./virtual_dentry.ts";

/** All mounts of the namespace that can be seen from `root`, parents first. */
function visibleMounts(root: VirtualDentry): Mount[] {
  return mountsOf(root.mount).sort(byID);
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
  const special = dentry.inode.specialName();
  if (special !== null) return special;
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

/** The optional fields: how the mount shares what is mounted on it. */
function propagation(m: Mount): string {
  let s = "";
  if (m.peers !== null) s += ` shared:${m.peers.id}`;
  if (m.master !== null) {
    s += ` master:${m.master.id}`;
    const from = nearestVisibleGroup(m);
    if (from !== null && from !== m.master) s += ` propagate_from:${from.id}`;
  }
  return m.unbindable ? `${s} unbindable` : s;
}

/** The nearest group it receives from that has a member in its own namespace. */
function nearestVisibleGroup(m: Mount): PeerGroup | null {
  for (let g = m.master; g !== null; ) {
    let up: PeerGroup | null = null;
    for (const p of g.members) {
      if (p.ns === m.ns) return g;
      up = p.master;
    }
    g = up;
  }
  return null;
}

/** VirtualFilesystem.mountInfo; fields as in proc_pid_mountinfo(5). */
export function mountInfo(root: VirtualDentry): string {
  let s = "";
  for (const m of visibleMounts(root)) {
    const at = mountPath(m, root);
    if (at === null) continue;
    const parentID = m.parent === null ? m.id : m.parent.id;
    const inFS = pathInFilesystem(m.root);
    s += `${m.id} ${parentID} 0:${m.fs.devMinor} ${escape(inFS)} ${escape(at)} ${m.optionString()}${propagation(m)} - ${m.fs.type} `;
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
