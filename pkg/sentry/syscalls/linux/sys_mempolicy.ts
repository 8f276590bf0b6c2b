/** NUMA memory policies of a machine with one node: set_mempolicy(2), get_mempolicy(2), mbind(2) (mm/mempolicy.c of Linux). */
import { CAP_SYS_NICE } from "../../../abi/linux/capability.ts";
import * as errno from "../../../abi/linux/errno.ts";
import * as linux from "../../../abi/linux/mempolicy.ts";
import { PAGE_SIZE } from "../../../abi/linux/mm.ts";
import * as linuxerr from "../../../errors/linuxerr/index.ts";
import type { SyscallArguments } from "../../kernel/syscalls.ts";
import type { Task } from "../../kernel/task.ts";

/** A policy is one number: mode, MPOL_F_* flags, and whether the node is in its mask. 0 is the default policy. */
const HAS_NODE = 0x10000;
const MODE_MASK = 0xff;

/** What a guest's node mask means: no bit, only bits of nodes that do not exist, or the node too. */
const NODES_NONE = 0;
const NODES_ABSENT = 1;
const NODES_FIRST = 2;
type Nodes = typeof NODES_NONE | typeof NODES_ABSENT | typeof NODES_FIRST;

/** Reads a node mask (get_nodes()). EINVAL, EFAULT. */
function copyInNodes(t: Task, addr: number, maxNode: number): Nodes {
  const bits = maxNode === 0 ? Number.POSITIVE_INFINITY : maxNode - 1;
  if (bits === 0 || addr === 0) return NODES_NONE;
  if (bits > PAGE_SIZE * 8) throw linuxerr.EINVAL;
  const words = Math.ceil(bits / 64) * 2;
  const w = t.kernel.scratchWords;
  t.copyIn(addr, t.kernel.scratch, 0, words * 4);
  let nodes: Nodes = NODES_NONE;
  for (let i = 0; i < words; i++) {
    const left = bits - i * 32;
    const mask = left >= 32 ? 0xffffffff : left <= 0 ? 0 : 2 ** left - 1;
    const v = ((w[i] ?? 0) & mask) >>> 0;
    if (v === 0) continue;
    if (i * 32 >= linux.MAX_NUMNODES) throw linuxerr.EINVAL;
    if (i === 0 && (v & 1) !== 0) nodes = NODES_FIRST;
    else if (nodes === NODES_NONE) nodes = NODES_ABSENT;
  }
  return nodes;
}

/** The policy of a mode with flags and a node mask (sanitize_mpol_flags(), mpol_new(), mpol_set_nodemask()). EINVAL, EFAULT. */
function copyInPolicy(t: Task, modeAndFlags: number, addr: number, maxNode: number): number {
  const flags = modeAndFlags & linux.MPOL_MODE_FLAGS;
  const mode = (modeAndFlags & ~linux.MPOL_MODE_FLAGS) >>> 0;
  if (mode >= linux.MPOL_MAX) throw linuxerr.EINVAL;
  const placed = linux.MPOL_F_STATIC_NODES | linux.MPOL_F_RELATIVE_NODES;
  if ((flags & placed) === placed) throw linuxerr.EINVAL;
  const balances = mode === linux.MPOL_BIND || mode === linux.MPOL_PREFERRED_MANY;
  if ((flags & linux.MPOL_F_NUMA_BALANCING) !== 0 && !balances) throw linuxerr.EINVAL;
  const nodes = copyInNodes(t, addr, maxNode);
  if (mode === linux.MPOL_DEFAULT) {
    if (nodes !== NODES_NONE) throw linuxerr.EINVAL;
    return 0;
  }
  if (nodes === NODES_NONE) {
    const local = mode === linux.MPOL_PREFERRED || mode === linux.MPOL_LOCAL;
    if (!local || (flags & placed) !== 0) throw linuxerr.EINVAL;
    return linux.MPOL_LOCAL | flags;
  }
  if (mode === linux.MPOL_LOCAL) throw linuxerr.EINVAL;
  // Relative nodes are counted around the ones there are.
  if (nodes === NODES_ABSENT && (flags & linux.MPOL_F_RELATIVE_NODES) === 0) throw linuxerr.EINVAL;
  return mode | flags | HAS_NODE;
}

/** set_mempolicy(mode, nodemask, maxnode). */
export function setMempolicy(t: Task, args: SyscallArguments): number {
  t.memoryPolicy = copyInPolicy(t, args.i32(0), args.u64(1), args.u64(2));
  return 0;
}

/** mbind(addr, len, mode, nodemask, maxnode, flags): pages are where they should be already. */
export function mbind(t: Task, args: SyscallArguments): number {
  const addr = args.u64(0);
  const flags = args.u32(5);
  const policy = copyInPolicy(t, args.i32(2), args.u64(3), args.u64(4));
  if ((flags & ~(linux.MPOL_MF_STRICT | linux.MPOL_MF_MOVE | linux.MPOL_MF_MOVE_ALL)) !== 0) return -errno.EINVAL;
  if ((flags & linux.MPOL_MF_MOVE_ALL) !== 0 && !t.creds.capable(CAP_SYS_NICE)) return -errno.EPERM;
  if (addr % PAGE_SIZE !== 0) return -errno.EINVAL;
  const end = addr + Math.ceil(args.u64(1) / PAGE_SIZE) * PAGE_SIZE;
  if (end >= 2 ** 64) return -errno.EINVAL;
  if (end > addr) t.mm.setMemoryPolicy(addr, end, policy);
  return 0;
}

/** The policy that get_mempolicy(2) asks for with flags, as it shows it in its mode: MPOL_F_NODE asks for a node instead. */
function shownMode(t: Task, policy: number, addr: number, flags: number): number {
  if ((flags & linux.MPOL_F_NODE) === 0) return policy & ~HAS_NODE;
  if ((flags & linux.MPOL_F_ADDR) !== 0) {
    // The page is brought in to see where it is.
    t.copyIn(addr, t.kernel.scratch, 0, 1);
    return 0;
  }
  const mode = policy & MODE_MASK;
  if (mode !== linux.MPOL_INTERLEAVE && mode !== linux.MPOL_WEIGHTED_INTERLEAVE) throw linuxerr.EINVAL;
  return 0;
}

/** Stores a node mask of maxNode - 1 bits, in whole words (copy_nodes_to_user()). */
function copyOutNodes(t: Task, addr: number, maxNode: number, hasNode: boolean): void {
  const size = Math.ceil((maxNode - 1) / 64) * 8;
  if (size > PAGE_SIZE) throw linuxerr.EINVAL;
  t.kernel.scratch.fill(0, 0, size);
  t.kernel.scratchWords[0] = hasNode ? 1 : 0;
  t.copyOut(addr, t.kernel.scratch, 0, size);
}

/** get_mempolicy(mode, nodemask, maxnode, addr, flags). */
export function getMempolicy(t: Task, args: SyscallArguments): number {
  const modeAddr = args.u64(0);
  const maskAddr = args.u64(1);
  const maxNode = args.u64(2);
  const addr = args.u64(3);
  const flags = args.u64(4);
  if (maskAddr !== 0 && maxNode < 1) return -errno.EINVAL;
  if (flags > (linux.MPOL_F_NODE | linux.MPOL_F_ADDR | linux.MPOL_F_MEMS_ALLOWED)) return -errno.EINVAL;
  let mode = 0;
  let hasNode = true;
  if ((flags & linux.MPOL_F_MEMS_ALLOWED) !== 0) {
    if (flags !== linux.MPOL_F_MEMS_ALLOWED) return -errno.EINVAL;
  } else {
    let policy = t.memoryPolicy;
    if ((flags & linux.MPOL_F_ADDR) !== 0) policy = t.mm.memoryPolicyAt(addr);
    else if (addr !== 0) return -errno.EINVAL;
    mode = shownMode(t, policy, addr, flags);
    hasNode = (policy & HAS_NODE) !== 0;
  }
  if (modeAddr !== 0) t.copyOutI32(modeAddr, mode);
  if (maskAddr !== 0) copyOutNodes(t, maskAddr, maxNode, hasNode);
  return 0;
}
