import { SIGNAL_NAMES, SIGRTMIN } from "../../abi/linux/signal.ts";
import { S_IFMT } from "../../abi/linux/stat.ts";
import type { Task } from "../kernel/task.ts";
import { ENUM_SETS, FLAG_SETS, formatEnum, formatFlags } from "./flags.ts";
import { hex, i64, pointer, quote, readBytes, readCString, readStruct, u64 } from "./reader.ts";

/** Elements of arrays that are shown. */
const MAX_ELEMENTS = 32;

/** Flags of a kind. */
export function flags(kind: string, value: number): string {
  return formatFlags(FLAG_SETS[kind] ?? [], value);
}

/** An enumeration of a kind. */
export function enumeration(kind: string, value: number): string {
  return formatEnum(ENUM_SETS[kind] ?? [], value);
}

/** A signal number. */
export function signalName(n: number): string {
  if (n === 0) return "0";
  if (n >= SIGRTMIN && n <= 64) return `SIGRT_${n - SIGRTMIN}`;
  return SIGNAL_NAMES[n] ?? String(n);
}

/** A signal mask. */
export function signalSet(lo: number, hi: number): string {
  const out: string[] = [];
  let count = 0;
  for (let s = 1; s <= 64; s++) {
    if (((s <= 32 ? lo >>> (s - 1) : hi >>> (s - 33)) & 1) === 0) continue;
    count++;
    out.push(signalName(s).replace(/^SIG/, ""));
  }
  if (count <= 40) return `[${out.join(" ")}]`;
  const not: string[] = [];
  for (let s = 1; s <= 64; s++) {
    if (((s <= 32 ? lo >>> (s - 1) : hi >>> (s - 33)) & 1) === 0) not.push(signalName(s).replace(/^SIG/, ""));
  }
  return `~[${not.join(" ")}]`;
}

function timespecAt(v: DataView, off: number, sub: string): string {
  return `{tv_sec=${i64(v, off)}, ${sub}=${i64(v, off + 8)}}`;
}

/** Structures whose size and content do not depend on other arguments: decoded where the pointer points. */
export function formatStruct(kind: string, t: Task, addr: number): string {
  if (addr === 0) return "NULL";
  const d = STRUCTS[kind];
  if (d === undefined) return pointer(addr);
  const v = readStruct(t, addr, d.size);
  return v === null ? pointer(addr) : d.format(v, t);
}

/** Whether formatStruct knows the kind. */
export function isStruct(kind: string): boolean {
  return STRUCTS[kind] !== undefined;
}

interface StructFormat {
  readonly size: number;
  readonly format: (v: DataView, t: Task) => string;
}

const FILE_TYPES: Readonly<Record<number, string>> = {
  2401: "S_IFIFO",
  4802: "S_IFCHR",
  9604: "S_IFDIR",
  14406: "S_IFBLK",
  16807: "S_IFREG",
  21609: "S_IFLNK",
  26411: "S_IFSOCK",
};

/** st_mode. */
export function fileMode(mode: number): string {
  const type = FILE_TYPES[mode & S_IFMT];
  const perm = `0${(mode & 0o7777).toString(8)}`;
  return type === undefined ? perm : `${type}|${perm}`;
}

function limit(v: DataView, off: number): string {
  if (v.getUint32(off, true) === 0xffffffff && v.getUint32(off + 4, true) === 0xffffffff) return "RLIM64_INFINITY";
  return String(u64(v, off));
}

function handler(v: DataView): string {
  const h = u64(v, 0);
  return h === 0 ? "SIG_DFL" : h === 1 ? "SIG_IGN" : pointer(h);
}

function field(v: DataView, off: number, len: number): string {
  const b = new Uint8Array(v.buffer, v.byteOffset + off, len);
  const end = b.indexOf(0);
  return quote(end < 0 ? b : b.subarray(0, end), len);
}

const STRUCTS: Readonly<Record<string, StructFormat>> = {
  timespec: { size: 16, format: (v) => timespecAt(v, 0, "tv_nsec") },
  timespec2: { size: 32, format: (v) => `[${timespecAt(v, 0, "tv_nsec")}, ${timespecAt(v, 16, "tv_nsec")}]` },
  timeval: { size: 16, format: (v) => timespecAt(v, 0, "tv_usec") },
  timeval2: { size: 32, format: (v) => `[${timespecAt(v, 0, "tv_usec")}, ${timespecAt(v, 16, "tv_usec")}]` },
  itimerspec: {
    size: 32,
    format: (v) => `{it_interval=${timespecAt(v, 0, "tv_nsec")}, it_value=${timespecAt(v, 16, "tv_nsec")}}`,
  },
  itimerval: {
    size: 32,
    format: (v) => `{it_interval=${timespecAt(v, 0, "tv_usec")}, it_value=${timespecAt(v, 16, "tv_usec")}}`,
  },
  stat: {
    size: 144,
    format: (v) => `{st_mode=${fileMode(v.getUint32(24, true))}, st_size=${i64(v, 48)}, st_ino=${u64(v, 8)}, ...}`,
  },
  statx: {
    size: 256,
    format: (v) => `{stx_mode=${fileMode(v.getUint16(28, true))}, stx_size=${u64(v, 40)}, stx_ino=${u64(v, 32)}, ...}`,
  },
  statfs: {
    size: 120,
    format: (v) =>
      `{f_type=${hex(u64(v, 0))}, f_bsize=${u64(v, 8)}, f_blocks=${u64(v, 16)}, f_bfree=${u64(v, 24)}, ...}`,
  },
  rlimit: { size: 16, format: (v) => `{rlim_cur=${limit(v, 0)}, rlim_max=${limit(v, 8)}}` },
  sigaction: {
    size: 32,
    format: (v) =>
      `{sa_handler=${handler(v)}, sa_mask=${signalSet(v.getUint32(24, true), v.getUint32(28, true))}, ` +
      `sa_flags=${flags("saflags", v.getUint32(8, true))}}`,
  },
  sigset: { size: 8, format: (v) => signalSet(v.getUint32(0, true), v.getUint32(4, true)) },
  stackt: {
    size: 24,
    format: (v) =>
      `{ss_sp=${pointer(u64(v, 0))}, ss_flags=${flags("ssflags", v.getUint32(8, true))}, ss_size=${u64(v, 16)}}`,
  },
  siginfo: {
    size: 48,
    format: (v) =>
      `{si_signo=${signalName(v.getInt32(0, true))}, si_code=${v.getInt32(8, true)}, si_pid=${v.getInt32(16, true)}, si_uid=${v.getInt32(20, true)}, ...}`,
  },
  pipefds: { size: 8, format: (v) => `[${v.getInt32(0, true)}, ${v.getInt32(4, true)}]` },
  intp: { size: 4, format: (v) => `[${v.getInt32(0, true)}]` },
  u64p: { size: 8, format: (v) => `[${u64(v, 0)}]` },
  wstatus: { size: 4, format: (v) => waitStatus(v.getInt32(0, true)) },
  rusage: {
    size: 144,
    format: (v) => `{ru_utime=${timespecAt(v, 0, "tv_usec")}, ru_stime=${timespecAt(v, 16, "tv_usec")}, ...}`,
  },
  utsname: {
    size: 390,
    format: (v) => `{sysname=${field(v, 0, 65)}, nodename=${field(v, 65, 65)}, release=${field(v, 130, 65)}, ...}`,
  },
  sysinfo: {
    size: 112,
    format: (v) =>
      `{uptime=${u64(v, 0)}, totalram=${u64(v, 32)}, freeram=${u64(v, 40)}, procs=${v.getUint16(80, true)}, ...}`,
  },
  epollevent: {
    size: 12,
    format: (v) => `{events=${flags("epollevents", v.getUint32(0, true))}, data=${hex(u64(v, 4))}}`,
  },
  caphdr: { size: 8, format: (v) => `{version=${hex(v.getUint32(0, true))}, pid=${v.getInt32(4, true)}}` },
  capdata: {
    size: 24,
    format: (v) =>
      `{effective=${hex(v.getUint32(12, true) * 4294967296 + v.getUint32(0, true))}, ` +
      `permitted=${hex(v.getUint32(16, true) * 4294967296 + v.getUint32(4, true))}, ` +
      `inheritable=${hex(v.getUint32(20, true) * 4294967296 + v.getUint32(8, true))}}`,
  },
  cloneargs: {
    size: 64,
    format: (v) =>
      `{flags=${flags("cloneflags", v.getUint32(0, true))}, exit_signal=${signalName(u64(v, 32))}, ` +
      `stack=${pointer(u64(v, 40))}, stack_size=${hex(u64(v, 48))}, tls=${pointer(u64(v, 56))}}`,
  },
  openhow: {
    size: 24,
    format: (v) =>
      `{flags=${flags("openflags", v.getUint32(0, true))}, mode=0${u64(v, 8).toString(8)}, resolve=${hex(u64(v, 16))}}`,
  },
  sigevent: {
    size: 64,
    format: (v) => `{sigev_signo=${signalName(v.getInt32(8, true))}, sigev_notify=${v.getInt32(12, true)}}`,
  },
  winsize: { size: 8, format: (v) => `{ws_row=${v.getUint16(0, true)}, ws_col=${v.getUint16(2, true)}}` },
  msghdr: {
    size: 56,
    format: (v, t) =>
      `{msg_name=${pointer(u64(v, 0))}, msg_iov=${formatIovec(t, u64(v, 16), u64(v, 24), 256, Number.POSITIVE_INFINITY)}, ` +
      `msg_controllen=${u64(v, 40)}, msg_flags=${flags("msgflags", v.getUint32(48, true))}}`,
  },
};

/** A wait status. */
export function waitStatus(s: number): string {
  if ((s & 0xff) === 0x7f) return `[{WIFSTOPPED(s) && WSTOPSIG(s) == ${signalName((s >> 8) & 0xff)}}]`;
  if (s === 0xffff) return "[{WIFCONTINUED(s)}]";
  const sig = s & 0x7f;
  if (sig === 0) return `[{WIFEXITED(s) && WEXITSTATUS(s) == ${(s >> 8) & 0xff}}]`;
  return `[{WIFSIGNALED(s) && WTERMSIG(s) == ${signalName(sig)}${(s & 0x80) !== 0 ? " && WCOREDUMP(s)" : ""}}]`;
}

/** A struct iovec array with the data behind it, at most `total` bytes of it (what the call transferred). */
export function formatIovec(t: Task, addr: number, count: number, max: number, total: number): string {
  if (addr === 0) return "NULL";
  const n = Math.min(count, MAX_ELEMENTS);
  const v = readStruct(t, addr, n * 16);
  if (v === null) return pointer(addr);
  const out: string[] = [];
  let left = total;
  for (let i = 0; i < n; i++) {
    const base = u64(v, i * 16);
    const len = u64(v, i * 16 + 8);
    const show = Math.min(len, left);
    const data = readBytes(t, base, Math.min(show, max + 1));
    out.push(`{iov_base=${data === null ? pointer(base) : quote(data, max)}, iov_len=${len}}`);
    left -= show;
  }
  if (count > n) out.push("...");
  return `[${out.join(", ")}]`;
}

/** A vector of strings: argv, envp. */
export function formatStrings(t: Task, addr: number, max: number): string {
  if (addr === 0) return "NULL";
  const out: string[] = [];
  for (let i = 0; ; i++) {
    const p = readStruct(t, addr + i * 8, 8);
    if (p === null) return pointer(addr);
    const s = u64(p, 0);
    if (s === 0) break;
    if (i >= MAX_ELEMENTS) {
      out.push("...");
      break;
    }
    const b = readCString(t, s);
    out.push(b === null ? pointer(s) : quote(b, max));
  }
  return `[${out.join(", ")}]`;
}

/** How many entries an environment has. */
export function countStrings(t: Task, addr: number): string {
  if (addr === 0) return "NULL";
  let n = 0;
  for (; n < 10000; n++) {
    const p = readStruct(t, addr + n * 8, 8);
    if (p === null) return pointer(addr);
    if (u64(p, 0) === 0) break;
  }
  return `${pointer(addr)} /* ${n} vars */`;
}

/** A struct pollfd array; `after` shows revents. */
export function formatPollFDs(t: Task, addr: number, count: number, after: boolean): string {
  if (addr === 0) return "NULL";
  const n = Math.min(count, MAX_ELEMENTS);
  const v = readStruct(t, addr, n * 8);
  if (v === null) return pointer(addr);
  const out: string[] = [];
  for (let i = 0; i < n; i++) {
    const events = flags("pollevents", v.getUint16(i * 8 + 4, true));
    const revents = after ? `, revents=${flags("pollevents", v.getUint16(i * 8 + 6, true))}` : "";
    out.push(`{fd=${v.getInt32(i * 8, true)}, events=${events}${revents}}`);
  }
  if (count > n) out.push("...");
  return `[${out.join(", ")}]`;
}

/** The events that epoll_wait(2) returned. */
export function formatEpollEvents(t: Task, addr: number, count: number): string {
  const out: string[] = [];
  for (let i = 0; i < Math.min(count, MAX_ELEMENTS); i++) out.push(formatStruct("epollevent", t, addr + i * 12));
  if (count > MAX_ELEMENTS) out.push("...");
  return `[${out.join(", ")}]`;
}

/** An fd_set, as the descriptors in it. */
export function formatFDSet(t: Task, addr: number, nfds: number): string {
  if (addr === 0) return "NULL";
  const b = readBytes(t, addr, Math.ceil(Math.min(Math.max(nfds, 0), 1024) / 64) * 8);
  if (b === null) return pointer(addr);
  const out: number[] = [];
  for (let fd = 0; fd < nfds && fd < 1024; fd++) if (((b[fd >> 3] ?? 0) & (1 << (fd & 7))) !== 0) out.push(fd);
  return `[${out.join(" ")}]`;
}

/** A socket address. */
export function formatSockaddr(t: Task, addr: number, len: number): string {
  if (addr === 0) return "NULL";
  const b = readBytes(t, addr, Math.min(Math.max(len, 0), 128));
  if (b === null || b.length < 2) return pointer(addr);
  const v = new DataView(b.buffer, b.byteOffset, b.length);
  const family = v.getUint16(0, true);
  const name = enumeration("domain", family);
  if (family === 1) {
    const path = b.subarray(2);
    if (path.length > 0 && path[0] === 0) return `{sa_family=${name}, sun_path=@${quote(path.subarray(1), 108)}}`;
    const end = path.indexOf(0);
    return `{sa_family=${name}, sun_path=${quote(end < 0 ? path : path.subarray(0, end), 108)}}`;
  }
  if (family === 2 && b.length >= 8) {
    return `{sa_family=${name}, sin_port=${v.getUint16(2)}, sin_addr=${b[4]}.${b[5]}.${b[6]}.${b[7]}}`;
  }
  if (family === 10 && b.length >= 24) {
    const parts: string[] = [];
    for (let i = 0; i < 16; i += 2) parts.push(v.getUint16(8 + i).toString(16));
    return `{sa_family=${name}, sin6_port=${v.getUint16(2)}, sin6_addr=[${parts.join(":")}]}`;
  }
  return `{sa_family=${name}, ${quote(b.subarray(2), 32)}}`;
}
