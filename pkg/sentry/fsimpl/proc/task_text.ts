import { CAP_SYS_RESOURCE } from "../../../abi/linux/capability.ts";
import { O_ACCMODE, O_WRONLY } from "../../../abi/linux/file.ts";
import { RLIM_INFINITY } from "../../../abi/linux/rlimit.ts";
import * as linuxerr from "../../../errors/linuxerr/index.ts";
import { stateType } from "../../../state/index.ts";
import type { Queue } from "../../../waiter/index.ts";
import type { Credentials } from "../../kernel/auth/index.ts";
import { type Task, TaskExitZombie } from "../../kernel/task.ts";
import { type LineWriter, type MemoryManager, smapsRollup, statm, writeMaps, writeSmaps } from "../../mm/index.ts";
import type { FileDescription, VirtualDentry } from "../../vfs/index.ts";
import { DynamicBytesFileDescription, DynamicBytesInode } from "../kernfs/index.ts";
import { isGone, mayInspect, memoryOf, ownerGID, ownerUID } from "./access.ts";
import type { ProcFilesystem } from "./filesystem.ts";
import { ioText, statText, statusText } from "./task_status.ts";

/** Longest comm, without its NUL. */
const COMM_LEN = 15;
/** The most of a command line or environment that is shown. */
const MAX_STRINGS = 8 << 20;

/** The kinds of mappings /proc/[pid]/coredump_filter knows (core(5)). */
const COREDUMP_FILTER_MASK = 0x1ff;

/** A text file about a task. */
export interface TaskFileSpec {
  readonly perm: number;
  /** Only those who may trace the task can open it. */
  readonly inspect?: boolean;
  /** Not in task/[tid]. */
  readonly groupOnly?: boolean;
  /** Only in task/[tid]. */
  readonly threadOnly?: boolean;
  /** The content; `thread`: of task/[tid]. Not of a file that has `memory`. */
  read?(t: Task, fs: ProcFilesystem, thread: boolean): string;
  /** The content of a file about the address space that the task had at open(2), whatever it executes later; null: it had none. */
  memory?(t: Task, mm: MemoryManager | null): string;
  /** A write of the data at the offset; returns the bytes taken. */
  write?(t: Task, fs: ProcFilesystem, data: string): number;
}

/** Collects lines. */
class Lines implements LineWriter {
  static readonly stateType = stateType("proc.Lines", ["text"]);
  text = "";

  writeLine(line: string): void {
    this.text += line;
  }
}

/** Bytes of a task's memory as a byte string; what cannot be read is left out. */
function memoryText(mm: MemoryManager, start: number, end: number): string {
  const len = Math.min(end - start, MAX_STRINGS);
  if (len <= 0) return "";
  const buf = Buffer.alloc(len);
  let n = 0;
  try {
    n = mm.copyIn(start, buf, 0, len);
  } catch (e) {
    if (e !== linuxerr.EFAULT) throw e;
  }
  return buf.toString("latin1", 0, n);
}

/** The arguments; a program that wrote a longer title over them (setproctitle) shows that, up to its first NUL. */
function cmdline(t: Task): string {
  const mm = memoryOf(t);
  if (mm === null || mm.argEnd <= mm.argStart) return "";
  const args = memoryText(mm, mm.argStart, mm.argEnd);
  if (args.length === 0 || args.charCodeAt(args.length - 1) === 0) return args;
  const all = mm.envStart === mm.argEnd ? args + memoryText(mm, mm.envStart, mm.envEnd) : args;
  const nul = all.indexOf("\0");
  return nul < 0 ? all : all.slice(0, nul + 1);
}

function limit(n: number): string {
  return (n === RLIM_INFINITY ? "unlimited" : String(n)).padEnd(20);
}

const LIMITS: readonly (readonly [string, string])[] = [
  ["Max cpu time", "seconds"],
  ["Max file size", "bytes"],
  ["Max data size", "bytes"],
  ["Max stack size", "bytes"],
  ["Max core file size", "bytes"],
  ["Max resident set", "bytes"],
  ["Max processes", "processes"],
  ["Max open files", "files"],
  ["Max locked memory", "bytes"],
  ["Max address space", "bytes"],
  ["Max file locks", "locks"],
  ["Max pending signals", "signals"],
  ["Max msgqueue size", "bytes"],
  ["Max nice priority", ""],
  ["Max realtime priority", ""],
  ["Max realtime timeout", "us"],
];

function limits(t: Task): string {
  let s = `${"Limit".padEnd(25)} ${"Soft Limit".padEnd(20)} ${"Hard Limit".padEnd(20)} ${"Units".padEnd(10)}\n`;
  for (let i = 0; i < LIMITS.length; i++) {
    const [name, unit] = LIMITS[i] ?? ["", ""];
    const l = t.threadGroup.limits.get(i);
    s += `${name.padEnd(25)} ${limit(l.cur)} ${limit(l.max)} ${unit === "" ? "" : unit.padEnd(10)}\n`;
  }
  return s;
}

/** A decimal number as sysctl files take it; EINVAL. */
function toInteger(data: string): number {
  const end = data.indexOf("\0");
  const word = (end < 0 ? data : data.slice(0, end)).trim();
  const m = /^([-+]?)(0x[0-9a-f]+|0[0-7]*|[1-9][0-9]*)$/i.exec(word);
  if (m === null) throw linuxerr.EINVAL;
  const digits = m[2] ?? "";
  const n = /^0[0-7]/.test(digits) ? Number.parseInt(digits, 8) : Number(digits);
  return m[1] === "-" ? -n : n;
}

/** Whether some process still has the address space. */
function isUsed(mm: MemoryManager | null): mm is MemoryManager {
  return mm !== null && mm.users > 0;
}

function alive(t: Task): Task {
  if (t.exitState >= TaskExitZombie) throw linuxerr.ESRCH;
  return t;
}

/** The text files of a task by name, in order of listing. */
export const TASK_FILES: { readonly [name: string]: TaskFileSpec } = {
  auxv: {
    perm: 0o400,
    inspect: true,
    memory: (_t, mm) => (mm === null ? "" : Buffer.from(mm.auxv).toString("latin1")),
  },
  cgroup: { perm: 0o444, read: () => "0::/\n" },
  children: {
    perm: 0o444,
    threadOnly: true,
    read: (t, fs) => {
      let s = "";
      for (const tg of t.children) {
        const id = fs.pidNamespace.idOfThreadGroup(tg);
        if (id !== 0) s += `${id} `;
      }
      return s;
    },
  },
  clear_refs: {
    perm: 0o200,
    read: () => {
      throw linuxerr.EINVAL;
    },
    write: (t, _fs, data) => {
      const n = toInteger(data);
      if (n < 1 || n > 5) throw linuxerr.EINVAL;
      const mm = memoryOf(t);
      // Reference bits are not kept; the high-water mark is.
      if (n === 5 && mm !== null) mm.peakRSS = mm.currentRSS();
      return data.length;
    },
  },
  cmdline: { perm: 0o444, read: cmdline },
  comm: {
    perm: 0o644,
    read: (t) => `${t.name}\n`,
    write: (t, fs, data) => {
      if (fs.reader()?.threadGroup !== t.threadGroup) throw linuxerr.EINVAL;
      let name = data.slice(0, COMM_LEN);
      const nul = name.indexOf("\0");
      if (nul >= 0) name = name.slice(0, nul);
      t.name = name;
      return data.length;
    },
  },
  coredump_filter: {
    perm: 0o644,
    groupOnly: true,
    read: (t) => {
      const mm = memoryOf(t);
      return mm === null ? "" : `${hex8(mm.coredumpFilter)}\n`;
    },
    write: (t, _fs, data) => {
      const n = toInteger(data);
      if (n < 0) throw linuxerr.EINVAL;
      if (n > 0xffffffff) throw linuxerr.ERANGE;
      const mm = memoryOf(t);
      if (mm === null) throw linuxerr.ESRCH;
      mm.coredumpFilter = n & COREDUMP_FILTER_MASK;
      return data.length;
    },
  },
  cpuset: { perm: 0o444, read: () => "/\n" },
  environ: {
    perm: 0o400,
    inspect: true,
    memory: (_t, mm) => (isUsed(mm) ? memoryText(mm, mm.envStart, mm.envEnd) : ""),
  },
  io: {
    perm: 0o400,
    inspect: true,
    read: ioText,
  },
  limits: { perm: 0o444, read: limits },
  loginuid: { perm: 0o444, read: () => "4294967295" },
  maps: {
    perm: 0o444,
    inspect: true,
    memory: (t, mm) => {
      const out = new Lines();
      if (isGone(t)) throw linuxerr.ESRCH;
      if (isUsed(mm)) writeMaps(mm, out);
      return out.text;
    },
  },
  mountinfo: { perm: 0o444, read: (t, fs) => fs.vfs.mountInfo(alive(t).fsContext.root) },
  mounts: { perm: 0o444, read: (t, fs) => fs.vfs.mounts(alive(t).fsContext.root) },
  oom_score: { perm: 0o444, read: (t) => `${oomScore(t)}\n` },
  oom_score_adj: {
    perm: 0o644,
    read: (t) => `${t.threadGroup.oomScoreAdj}\n`,
    write: (t, fs, data) => {
      const n = toInteger(data);
      if (n < -1000 || n > 1000) throw linuxerr.EINVAL;
      const reader = fs.reader();
      if (reader !== null && n < t.threadGroup.oomScoreAdj && !reader.creds.capable(CAP_SYS_RESOURCE)) {
        throw linuxerr.EACCES;
      }
      t.threadGroup.oomScoreAdj = n;
      return data.length;
    },
  },
  personality: { perm: 0o400, inspect: true, read: (t) => `${hex8(t.personality)}\n` },
  schedstat: { perm: 0o444, read: (t) => `${t.cpuTimeNs()} 0 0\n` },
  sessionid: { perm: 0o444, read: () => "4294967295" },
  smaps: {
    perm: 0o444,
    inspect: true,
    memory: (t, mm) => {
      const out = new Lines();
      if (isGone(t)) throw linuxerr.ESRCH;
      if (isUsed(mm)) writeSmaps(mm, out);
      return out.text;
    },
  },
  smaps_rollup: {
    perm: 0o444,
    inspect: true,
    groupOnly: true,
    memory: (t, mm) => {
      if (isGone(t) || !isUsed(mm)) throw linuxerr.ESRCH;
      return smapsRollup(mm);
    },
  },
  stat: { perm: 0o444, read: statText },
  statm: {
    perm: 0o444,
    read: (t) => {
      const mm = memoryOf(t);
      return mm === null ? "0 0 0 0 0 0 0\n" : `${statm(mm).join(" ")}\n`;
    },
  },
  status: { perm: 0o444, read: statusText },
  timerslack_ns: { perm: 0o666, groupOnly: true, read: (t) => `${t.timerSlackNs}\n` },
  wchan: { perm: 0o444, read: () => "0" },
};

function hex8(n: number): string {
  return (n >>> 0).toString(16).padStart(8, "0");
}

/** Share of memory in thousandths, shifted by the adjustment; never below 0. */
function oomScore(t: Task): number {
  const mm = memoryOf(t);
  if (mm === null) return 0;
  const total = t.kernel.totalMemory;
  const used = total > 0 ? Math.round((mm.currentRSS() * 1000) / total) : 0;
  return Math.max(0, Math.floor(((used + t.threadGroup.oomScoreAdj + 1000) * 2) / 3));
}

/** A file of TASK_FILES. */
export class TaskFile extends DynamicBytesInode {
  static override readonly stateType = stateType("proc.TaskFile", ["task", "thread", "name"]);
  readonly task: Task;
  readonly thread: boolean;
  readonly name: string;

  constructor(fs: ProcFilesystem, task: Task, thread: boolean, name: string, ino: number) {
    super(fs, TASK_FILES[name]?.perm ?? 0o444, ino);
    this.task = task;
    this.thread = thread;
    this.name = name;
  }

  override uid(): number {
    return ownerUID(this.task);
  }

  override gid(): number {
    return ownerGID(this.task);
  }

  override chmodAllowed(): boolean {
    return false;
  }

  override revalidate(): boolean {
    return !isGone(this.task);
  }

  override checkOpen(flags: number, _creds: Credentials): void {
    const spec = TASK_FILES[this.name];
    if (spec?.inspect !== true || (flags & O_ACCMODE) === O_WRONLY) return;
    if (!mayInspect((this.fs as ProcFilesystem).reader(), this.task)) throw linuxerr.EACCES;
  }

  override open(vd: VirtualDentry, flags: number, creds: Credentials): FileDescription {
    if (this.spec().memory === undefined) return super.open(vd, flags, creds);
    this.checkOpen(flags, creds);
    return new TaskMemoryFileDescription(vd, flags, this, memoryOf(this.task));
  }

  override generate(): string {
    if (isGone(this.task)) throw linuxerr.ESRCH;
    const read = this.spec().read;
    if (read === undefined) throw linuxerr.EINVAL;
    return read(this.task, this.fs as ProcFilesystem, this.thread);
  }

  override writeBytes(data: string, _offset: number): number {
    if (isGone(this.task)) throw linuxerr.ESRCH;
    const write = this.spec().write;
    if (write === undefined) throw linuxerr.EINVAL;
    return write(this.task, this.fs as ProcFilesystem, data);
  }

  /** The mount tables change when mounts do. */
  override changeQueue(): Queue | null {
    return this.name === "mounts" || this.name === "mountinfo" ? this.task.mountNamespace.changeQueue : null;
  }

  override changeCount(): number {
    return this.task.mountNamespace.changes;
  }

  spec(): TaskFileSpec {
    const s = TASK_FILES[this.name];
    if (s === undefined) throw linuxerr.ENOENT;
    return s;
  }
}

/** An open file about an address space: it shows the one that was there at open(2), as who could look into that may not look into the next. */
export class TaskMemoryFileDescription extends DynamicBytesFileDescription {
  static override readonly stateType = stateType("proc.TaskMemoryFileDescription", ["file", "mm"]);
  readonly file: TaskFile;
  readonly mm: MemoryManager | null;

  constructor(vd: VirtualDentry, flags: number, file: TaskFile, mm: MemoryManager | null) {
    super(vd, flags, file);
    this.file = file;
    this.mm = mm;
  }

  override generate(): string {
    return this.file.spec().memory?.(this.file.task, this.mm) ?? "";
  }
}
