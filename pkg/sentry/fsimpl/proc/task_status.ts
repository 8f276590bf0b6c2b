import { PAGE_SIZE } from "../../../abi/linux/mm.ts";
import { NSIG, SIG_DFL } from "../../../abi/linux/signal.ts";
import { NSEC_PER_TICK } from "../../../abi/linux/time.ts";
import type { SignalHandlers } from "../../kernel/signal_handlers.ts";
import { type Task, TaskExitZombie } from "../../kernel/task.ts";
import { Usage } from "../../kernel/thread_group.ts";
import { cpuList, cpuMask } from "../sys/index.ts";
import { mayInspect, memoryOf } from "./access.ts";
import type { ProcFilesystem } from "./filesystem.ts";

/** Flag bits of /proc/[pid]/stat: PF_RANDOMIZE, and PF_FORKNOEXEC before the first execve. */
const PF_RANDOMIZE = 0x400000;
const PF_FORKNOEXEC = 0x40;
const PF_EXITING = 0x4;

const STATE_NAMES: { readonly [letter: string]: string } = {
  R: "R (running)",
  S: "S (sleeping)",
  D: "D (disk sleep)",
  T: "T (stopped)",
  t: "t (tracing stop)",
  Z: "Z (zombie)",
  X: "X (dead)",
};

/** Signals ignored and caught: two words each. */
interface ActionSets {
  ignoredLo: number;
  ignoredHi: number;
  caughtLo: number;
  caughtHi: number;
}

function actionSets(h: SignalHandlers): ActionSets {
  const s: ActionSets = { ignoredLo: 0, ignoredHi: 0, caughtLo: 0, caughtHi: 0 };
  for (let sig = 1; sig <= NSIG; sig++) {
    const a = h.actions[sig] ?? null;
    if (a === null || a.handler === SIG_DFL) continue;
    const bit = 1 << ((sig - 1) & 31);
    if (a.isIgnore()) {
      if (sig <= 32) s.ignoredLo |= bit;
      else s.ignoredHi |= bit;
    } else if (sig <= 32) s.caughtLo |= bit;
    else s.caughtHi |= bit;
  }
  return s;
}

function hex16(lo: number, hi: number): string {
  return (hi >>> 0).toString(16).padStart(8, "0") + (lo >>> 0).toString(16).padStart(8, "0");
}

function kb(name: string, bytes: number): string {
  return `${name}:\t${String(Math.floor(bytes / 1024)).padStart(8)} kB\n`;
}

/** Newlines and backslashes of a name, escaped. */
function escapeName(s: string): string {
  return s.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
}

/** The parent's id as the filesystem's namespace sees it. */
function parentID(t: Task, fs: ProcFilesystem): number {
  const p = t.threadGroup.parent;
  return p === null ? 0 : fs.pidNamespace.idOfThreadGroup(p.threadGroup);
}

/** The tracer's id as the filesystem's namespace sees it; 0: none. */
function tracerID(t: Task, fs: ProcFilesystem): number {
  return t.ptrace === null ? 0 : fs.pidNamespace.idOfTask(t.ptrace.tracer);
}

/** The ids of a task from the filesystem's namespace down to its own. */
function idsInNamespaces(t: Task, fs: ProcFilesystem, idIn: (ns: Task["pidNamespace"]) => number): string {
  const ids: number[] = [];
  for (let ns: Task["pidNamespace"] | null = t.pidNamespace; ns !== null; ns = ns.parent) {
    ids.push(idIn(ns));
    if (ns === fs.pidNamespace) break;
  }
  return ids.reverse().join("\t");
}

/** The text of /proc/[pid]/status (fs/proc/array.c). */
export function statusText(t: Task, fs: ProcFilesystem): string {
  const ns = fs.pidNamespace;
  const tg = t.threadGroup;
  const c = t.creds;
  const viewer = fs.reader()?.creds.userNamespace ?? c.userNamespace;
  const dead = t.exitState >= TaskExitZombie;
  const uid = (k: number): number => viewer.uidOrOverflow(k);
  const gid = (k: number): number => viewer.gidOrOverflow(k);
  let s = `Name:\t${escapeName(t.name)}\n`;
  if (!dead) s += `Umask:\t${t.fsContext.umask.toString(8).padStart(4, "0")}\n`;
  s += `State:\t${STATE_NAMES[t.stateLetter()] ?? t.stateLetter()}\n`;
  s += `Tgid:\t${ns.idOfThreadGroup(tg)}\nNgid:\t0\nPid:\t${ns.idOfTask(t)}\nPPid:\t${parentID(t, fs)}\nTracerPid:\t${tracerID(t, fs)}\n`;
  s += `Uid:\t${uid(c.realKUID)}\t${uid(c.effectiveKUID)}\t${uid(c.savedKUID)}\t${uid(c.fsKUID)}\n`;
  s += `Gid:\t${gid(c.realKGID)}\t${gid(c.effectiveKGID)}\t${gid(c.savedKGID)}\t${gid(c.fsKGID)}\n`;
  s += `FDSize:\t${dead ? 0 : t.fdTable.nrOpen}\n`;
  s += `Groups:\t${c.extraKGIDs.map(gid).join(" ")} \n`;
  const pg = tg.processGroup;
  s += `NStgid:\t${idsInNamespaces(t, fs, (n) => n.idOfThreadGroup(tg))}\n`;
  s += `NSpid:\t${idsInNamespaces(t, fs, (n) => n.idOfTask(t))}\n`;
  s += `NSpgid:\t${idsInNamespaces(t, fs, (n) => n.idOfProcessGroup(pg))}\n`;
  s += `NSsid:\t${idsInNamespaces(t, fs, (n) => n.idOfSession(pg.session))}\n`;
  s += "Kthread:\t0\n";
  const mm = memoryOf(t);
  if (mm !== null) {
    const rss = mm.currentRSS();
    const text = Math.max(0, mm.endCode - mm.startCode);
    s += kb("VmPeak", Math.max(mm.peakVM, mm.totalVM)) + kb("VmSize", mm.totalVM);
    s += kb("VmLck", mm.lockedVM) + kb("VmPin", 0);
    s += kb("VmHWM", Math.max(mm.peakRSS, rss)) + kb("VmRSS", rss);
    s += kb("RssAnon", mm.rssAnon) + kb("RssFile", mm.rssFile) + kb("RssShmem", mm.rssShmem);
    s += kb("VmData", mm.dataVM) + kb("VmStk", mm.stackVM) + kb("VmExe", text);
    s += kb("VmLib", Math.max(0, mm.execVM - text)) + kb("VmPTE", 0) + kb("VmSwap", 0) + kb("HugetlbPages", 0);
    s += "CoreDumping:\t0\nTHP_enabled:\t1\nuntag_mask:\t0xffffffffffffffff\n";
  }
  s += `Threads:\t${tg.tasks.size}\n`;
  const q = t.kernel.quotaOf(c.realKUID).signals;
  const pendingLimit = tg.limits.get(11).cur;
  s += `SigQ:\t${q}/${Number.isFinite(pendingLimit) ? pendingLimit : "18446744073709551615"}\n`;
  const a = actionSets(tg.signalHandlers);
  s += `SigPnd:\t${hex16(t.pending.lo, t.pending.hi)}\nShdPnd:\t${hex16(tg.pending.lo, tg.pending.hi)}\n`;
  s += `SigBlk:\t${hex16(t.maskLo, t.maskHi)}\n`;
  s += `SigIgn:\t${hex16(a.ignoredLo, a.ignoredHi)}\nSigCgt:\t${hex16(a.caughtLo, a.caughtHi)}\n`;
  s += `CapInh:\t${c.inheritableCaps}\nCapPrm:\t${c.permittedCaps}\nCapEff:\t${c.effectiveCaps}\n`;
  s += `CapBnd:\t${c.boundingCaps}\nCapAmb:\t${c.ambientCaps}\n`;
  s += `NoNewPrivs:\t${t.noNewPrivs ? 1 : 0}\nSeccomp:\t0\nSeccomp_filters:\t0\n`;
  s += "Speculation_Store_Bypass:\tvulnerable\nSpeculationIndirectBranch:\talways enabled\n";
  s += affinityLines(t);
  s += "Mems_allowed:\t00000000,00000001\nMems_allowed_list:\t0\n";
  const u = usageOf(t, true);
  s += `voluntary_ctxt_switches:\t${u.voluntarySwitches}\n`;
  return `${s}nonvoluntary_ctxt_switches:\t${u.involuntarySwitches}\n`;
}

function affinityLines(t: Task): string {
  const n = t.kernel.cpuCount;
  const set = t.affinity;
  if (set === null) return `Cpus_allowed:\t${cpuMask(0, n, n)}\nCpus_allowed_list:\t${cpuList(n)}\n`;
  const groups: string[] = [];
  for (let g = Math.ceil(n / 32) - 1; g >= 0; g--) {
    const digits = groups.length === 0 ? Math.ceil((n - g * 32) / 4) : 8;
    groups.push(((set[g] ?? 0) >>> 0).toString(16).padStart(digits, "0"));
  }
  const ranges: string[] = [];
  for (let i = 0; i < n; i++) {
    if (((set[i >>> 5] ?? 0) & (1 << (i & 31))) === 0) continue;
    const from = i;
    while (i + 1 < n && ((set[(i + 1) >>> 5] ?? 0) & (1 << ((i + 1) & 31))) !== 0) i++;
    ranges.push(from === i ? String(i) : `${from}-${i}`);
  }
  return `Cpus_allowed:\t${groups.join(",")}\nCpus_allowed_list:\t${ranges.join(",")}\n`;
}

/** What a thread used, or its process with the threads that are gone. */
function usageOf(t: Task, thread: boolean): Usage {
  if (thread) {
    t.updateUsage();
    return t.usage;
  }
  const u = new Usage();
  t.threadGroup.addUsage(u);
  return u;
}

/** The text of /proc/[pid]/io: reads and writes, of a process with the children it waited for. Nothing is known of the host's disks. */
export function ioText(t: Task, _fs: ProcFilesystem, thread: boolean): string {
  const u = usageOf(t, thread);
  if (!thread) u.add(t.threadGroup.childUsage);
  const s = `rchar: ${u.readBytes}\nwchar: ${u.writtenBytes}\nsyscr: ${u.readCalls}\nsyscw: ${u.writeCalls}\n`;
  return `${s}read_bytes: 0\nwrite_bytes: 0\ncancelled_write_bytes: 0\n`;
}

function ticks(ns: number): number {
  return Math.floor(ns / NSEC_PER_TICK);
}

/** The line of /proc/[pid]/stat: 52 fields, proc_pid_stat(5). */
export function statText(t: Task, fs: ProcFilesystem, thread: boolean): string {
  const ns = fs.pidNamespace;
  const tg = t.threadGroup;
  const pg = tg.processGroup;
  const { tty } = tg;
  const mm = memoryOf(t);
  const open = mayInspect(fs.reader(), t);
  const a = actionSets(tg.signalHandlers);
  const u = usageOf(t, thread);
  const kids = tg.childUsage;
  let flags = PF_RANDOMIZE;
  if (!tg.didExec && tg.parent !== null) flags |= PF_FORKNOEXEC;
  if (t.isExiting()) flags |= PF_EXITING;
  const rssLimit = tg.limits.get(5).cur;
  const low31 = (lo: number): number => lo & 0x7fffffff;
  const f: (number | string)[] = [
    ns.idOfTask(t),
    `(${t.name})`,
    t.stateLetter(),
    parentID(t, fs),
    ns.idOfProcessGroup(pg),
    ns.idOfSession(pg.session),
    tty === null ? 0 : tty.deviceNumber(),
    tty === null ? -1 : tty.foreground === null ? 0 : ns.idOfProcessGroup(tty.foreground),
    flags,
    u.minorFaults,
    kids.minorFaults,
    u.majorFaults,
    kids.majorFaults,
    ticks(u.userNs),
    ticks(u.systemNs),
    ticks(kids.userNs),
    ticks(kids.systemNs),
    20 + t.nice,
    t.nice,
    tg.tasks.size,
    0,
    ticks(tg.leader === t ? tg.startTime : t.startTime),
    mm === null ? 0 : mm.totalVM,
    mm === null ? 0 : Math.floor(mm.currentRSS() / PAGE_SIZE),
    Number.isFinite(rssLimit) ? rssLimit : "18446744073709551615",
    mm === null ? 0 : open ? mm.startCode : 1,
    mm === null ? 0 : open ? mm.endCode : 1,
    mm !== null && open ? mm.startStack : 0,
    0,
    0,
    low31(t.pending.lo | tg.pending.lo),
    low31(t.maskLo),
    low31(a.ignoredLo),
    low31(a.caughtLo),
    0,
    0,
    0,
    tg.leader === t ? tg.exitSignal : -1,
    0,
    t.schedPriority,
    t.schedPolicy,
    0,
    0,
    0,
    mm !== null && open ? mm.startData : 0,
    mm !== null && open ? mm.endData : 0,
    mm !== null && open ? mm.brkStart : 0,
    mm !== null && open ? mm.argStart : 0,
    mm !== null && open ? mm.argEnd : 0,
    mm !== null && open ? mm.envStart : 0,
    mm !== null && open ? mm.envEnd : 0,
    open && t.isExiting() ? t.exitStatus : 0,
  ];
  return `${f.join(" ")}\n`;
}
