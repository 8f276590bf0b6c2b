import { expect, test } from "bun:test";
import { MNT_DETACH, MS_PRIVATE, MS_SHARED, MS_SLAVE, MS_UNBINDABLE } from "../../abi/linux/fs.ts";
import { LinuxError } from "../../errors/linuxerr/index.ts";
import { type Mount, type MountNamespace, PathOperation } from "./index.ts";
import { mountsOf } from "./mount_propagation.ts";
import { TestFS } from "./testutil/index.ts";

/** A generator of pseudo-random numbers below n. */
function random(seed: number): (n: number) => number {
  let s = seed;
  return (n) => {
    s = (Math.imul(s, 1103515245) + 12345) >>> 0;
    return (s >>> 8) % n;
  };
}

/** What holds of every tree: places and children agree, everything is counted, groups know their members. */
function check(namespaces: readonly MountNamespace[], mountCount: number): void {
  let sum = 0;
  for (const ns of namespaces) {
    const tree = mountsOf(ns.root.mount);
    expect(tree.length).toBe(ns.mountCount);
    sum += tree.length;
    for (const m of tree) checkMount(m, ns);
  }
  expect(sum).toBe(mountCount);
}

function checkMount(m: Mount, ns: MountNamespace): void {
  const bad: string[] = [];
  if (m.ns !== ns || m.released) bad.push("not of the namespace");
  if (m.mountpoint !== null && m.parent?.children.get(m.mountpoint) !== m) bad.push("not its parent's child");
  if (m.mountpoint !== null && m.mountpoint.mounts?.has(m) !== true) bad.push("unknown to its mountpoint");
  if (m.peers !== null && !m.peers.members.has(m)) bad.push("not in its group");
  if (m.master !== null && !m.master.slaves.has(m)) bad.push("not a slave of its master");
  for (const p of [...(m.peers?.members ?? []), ...(m.peers?.slaves ?? []), ...(m.master?.members ?? [])]) {
    if (p.ns === null) bad.push("shares with what is nowhere");
  }
  if (m.master !== null && m.master.members.size === 0) bad.push("slave of nobody");
  expect(bad).toEqual([]);
}

const NAMES = ["a", "b", "c"];

test.each([1, 2, 3, 4])("mounts of many namespaces stay in order, seed %d", (seed) => {
  const t = new TestFS();
  const { vfs, creds } = t;
  const next = random(seed);
  const first = t.root.mount.ns;
  if (first === null) throw new Error("no namespace");
  const namespaces: MountNamespace[] = [first];
  const path = (): string => {
    let p = "";
    for (let i = next(4); i > 0; i--) p += `/${NAMES[next(NAMES.length)]}`;
    return p === "" ? "/" : p;
  };
  for (let i = 0; i < 6000; i++) {
    const ns: MountNamespace = namespaces[next(namespaces.length)] ?? first;
    const pop = (): PathOperation => new PathOperation(ns.root, ns.root, path(), true);
    try {
      switch (next(13)) {
        case 0:
          vfs.mountAt(creds, "x", pop(), "tmpfs", { data: "", internalData: null, flags: 0 });
          break;
        case 1:
        case 2:
          vfs.mkdirAt(creds, pop(), 0o755);
          break;
        case 3:
          vfs.bindMountAt(creds, pop(), pop(), next(2) === 0);
          break;
        case 4:
          vfs.moveMountAt(creds, pop(), pop());
          break;
        case 5:
          vfs.umountAt(creds, pop(), 0);
          break;
        case 6:
          vfs.umountAt(creds, pop(), MNT_DETACH);
          break;
        case 7:
          vfs.setPropagationAt(creds, pop(), MS_SHARED, next(2) === 0);
          break;
        case 8:
          vfs.setPropagationAt(creds, pop(), MS_SLAVE, next(2) === 0);
          break;
        case 9:
          vfs.setPropagationAt(creds, pop(), next(2) === 0 ? MS_PRIVATE : MS_UNBINDABLE, next(2) === 0);
          break;
        case 10:
          vfs.pivotRootAt(creds, pop(), pop());
          break;
        case 11:
          if (namespaces.length < 5) {
            namespaces.push(vfs.cloneMountNamespace(ns, creds.userNamespace, i + 2, []));
          } else if (ns !== first) {
            namespaces.splice(namespaces.indexOf(ns), 1);
            ns.decRef();
          }
          break;
        default:
          vfs.rmdirAt(creds, pop());
      }
    } catch (e) {
      if (!(e instanceof LinuxError)) throw e;
    }
    for (const n of namespaces) {
      if (n.mountCount > 60) vfs.umountTree([...n.root.mount.children.values()][0] ?? n.root.mount, true);
    }
    check(namespaces, vfs.mountCount);
  }
  for (const ns of namespaces.slice(1)) ns.decRef();
  check([first], vfs.mountCount);
});
