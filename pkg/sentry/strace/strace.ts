import * as errno from "../../abi/linux/errno.ts";
import { AT_FDCWD, O_ACCMODE, O_CLOEXEC, O_NONBLOCK } from "../../abi/linux/file.ts";
import { FUTEX_CLOCK_REALTIME, FUTEX_CMD_MASK, FUTEX_PRIVATE_FLAG } from "../../abi/linux/futex.ts";
import { nameOf } from "../../errors/linuxerr/index.ts";
import { stateType } from "../../state/index.ts";
import type { SyscallTracer } from "../kernel/kernel.ts";
import type { SyscallArguments } from "../kernel/syscalls.ts";
import type { Task } from "../kernel/task.ts";
import { ENUM_SETS, FLAG_SETS, formatEnum, formatFlags } from "./flags.ts";
import { hex, pointer, quote, readBytes, readCString } from "./reader.ts";
import {
  countStrings,
  enumeration,
  flags,
  formatEpollEvents,
  formatFDSet,
  formatIovec,
  formatPollFDs,
  formatSockaddr,
  formatStrings,
  formatStruct,
  isStruct,
  signalName,
} from "./structs.ts";
import { formatOf, type SyscallFormat, syscallFormats } from "./table.ts";

/** Bytes of a buffer or string argument that are shown. */
const DEFAULT_MAX_BYTES = 64;
const ACCESS_MODES: readonly string[] = ["O_RDONLY", "O_WRONLY", "O_RDWR", "O_ACCMODE"];

/** Where lines go. */
export interface StraceSink {
  strace(line: string): void;
}

/** A call under way: what was decoded when it began. */
class Pending {
  readonly format: SyscallFormat;
  readonly parts: string[];
  readonly start: number;
  /** Of a call that changes them (execve): the words at entry. */
  readonly nr: number;

  constructor(format: SyscallFormat, parts: string[], start: number, nr: number) {
    this.format = format;
    this.parts = parts;
    this.start = start;
    this.nr = nr;
  }
}

/** Prints every system call as one line: `[pid] name(arguments) = result (time)`. */
export class Strace implements SyscallTracer {
  static readonly stateType = stateType("strace.Strace", [], ["sink", "maxBytes", "only", "formats", "pending"]);
  readonly sink: StraceSink;
  readonly maxBytes: number;
  /** Names to show; null: all. */
  readonly only: ReadonlySet<string> | null;
  readonly formats: ReadonlyMap<string, SyscallFormat> = syscallFormats();
  readonly pending: WeakMap<Task, Pending> = new WeakMap();

  constructor(sink: StraceSink, maxBytes: number = DEFAULT_MAX_BYTES, only: ReadonlySet<string> | null = null) {
    this.sink = sink;
    this.maxBytes = maxBytes;
    this.only = only;
  }

  enter(t: Task, nr: number, args: SyscallArguments): void {
    const f = formatOf(this.formats, nr);
    if (this.only !== null && !this.only.has(f.name)) return;
    const parts: string[] = [];
    for (let i = 0; i < f.args.length; i++) {
      parts.push(f.after[i] === true ? "" : this.argument(t, f, i, args, 0));
    }
    if (f.name === "exit" || f.name === "exit_group") {
      this.sink.strace(`[${t.tid}] ${f.name}(${parts.join(", ")}) = ?`);
      return;
    }
    this.pending.set(t, new Pending(f, parts, t.kernel.monotonicNow(), nr));
  }

  exit(t: Task, nr: number, args: SyscallArguments, result: number): void {
    const p = this.pending.get(t);
    if (p === undefined || p.nr !== nr) return;
    this.pending.delete(t);
    const f = p.format;
    for (let i = 0; i < f.args.length; i++) {
      // What a failed call would have filled is shown as a pointer.
      if (f.after[i] === true) {
        p.parts[i] =
          result < 0 && f.args[i] !== "pollfds" ? pointer(args.u64(i)) : this.argument(t, f, i, args, result);
      }
    }
    const us = (t.kernel.monotonicNow() - p.start) / 1000;
    this.sink.strace(
      `[${t.tid}] ${f.name}(${p.parts.join(", ")}) = ${formatResult(f.result, result)} (${us.toFixed(1)}us)`,
    );
  }

  /** One argument. `result` is that of the call, for arguments decoded after it. */
  argument(t: Task, f: SyscallFormat, i: number, args: SyscallArguments, result: number): string {
    const kind = f.args[i] ?? "hex";
    const after = f.after[i] === true;
    const u = args.u64(i);
    switch (kind) {
      case "int":
        return String(args.i32(i));
      case "uint":
        return String(args.u32(i));
      case "size":
        return String(u);
      case "off":
        return String(args.i64(i));
      case "hex":
        return hex(u);
      case "ptr":
        return pointer(u);
      case "octal":
        return `0${args.u32(i).toString(8)}`;
      case "fd":
        return this.descriptor(t, args.i32(i));
      case "dirfd":
        return args.i32(i) === AT_FDCWD ? "AT_FDCWD" : this.descriptor(t, args.i32(i));
      case "path":
      case "str":
      case "cstr": {
        if (u === 0) return "NULL";
        const b = readCString(t, u);
        return b === null ? pointer(u) : quote(b, kind === "str" ? this.maxBytes : 4096);
      }
      case "buf": {
        if (u === 0) return "NULL";
        const len = after ? result : args.u64(i + 1);
        const b = readBytes(t, u, Math.min(len, this.maxBytes + 1));
        return b === null ? pointer(u) : quote(b, this.maxBytes);
      }
      case "iov":
        return formatIovec(t, u, args.u32(i + 1), this.maxBytes, after ? result : Number.POSITIVE_INFINITY);
      case "argv":
        return formatStrings(t, u, 256);
      case "envp":
        return countStrings(t, u);
      case "pollfds":
        return formatPollFDs(t, u, args.u32(i + 1), after && result >= 0);
      case "epollevents":
        return formatEpollEvents(t, u, result);
      case "fdset":
        return formatFDSet(t, u, args.i32(0));
      case "sockaddr":
        return formatSockaddr(t, u, args.i32(i + 1));
      case "sockaddrp": {
        const len = readBytes(t, args.u64(i + 1), 4);
        const n = len === null || len.length < 4 ? 0 : new DataView(len.buffer).getInt32(0, true);
        return u === 0 || n <= 0 ? pointer(u) : formatSockaddr(t, u, n);
      }
      case "signal":
        return signalName(args.i32(i));
      case "openflags": {
        const rest = args.u32(i) & ~O_ACCMODE;
        const acc = ACCESS_MODES[args.u32(i) & O_ACCMODE] ?? "";
        return rest === 0 ? acc : `${acc}|${flags(kind, rest)}`;
      }
      case "clonesig": {
        const sig = args.u32(i) & 0xff;
        const bits = flags("cloneflags", args.u32(i) & ~0xff);
        return sig === 0 ? bits : `${bits}|${signalName(sig)}`;
      }
      case "futexop": {
        const op = args.u32(i);
        let s = enumeration("futexcmd", op & FUTEX_CMD_MASK);
        if ((op & FUTEX_PRIVATE_FLAG) !== 0) s += "|FUTEX_PRIVATE_FLAG";
        if ((op & FUTEX_CLOCK_REALTIME) !== 0) s += "|FUTEX_CLOCK_REALTIME";
        return s;
      }
      case "socktypeflags": {
        const v = args.u32(i);
        let s = enumeration("socktype", v & 0xf);
        if ((v & O_NONBLOCK) !== 0) s += "|SOCK_NONBLOCK";
        if ((v & O_CLOEXEC) !== 0) s += "|SOCK_CLOEXEC";
        return s;
      }
      default:
        break;
    }
    const set = FLAG_SETS[kind];
    if (set !== undefined) return formatFlags(set, args.u32(i));
    const names = ENUM_SETS[kind];
    if (names !== undefined) return formatEnum(names, args.u32(i));
    return isStruct(kind) ? formatStruct(kind, t, u) : hex(u);
  }

  /** A descriptor with what it is. */
  descriptor(t: Task, fd: number): string {
    const file = fd < 0 ? null : t.fdTable.get(fd);
    return file === null ? String(fd) : `${fd}<${file.mappedName()}>`;
  }
}

/** The result: a value, or -1 with the name of the error, or a restart code. */
function formatResult(kind: string, result: number): string {
  if (result < 0 && result > -4096) {
    const e = -result;
    switch (e) {
      case errno.ERESTARTSYS:
        return "? ERESTARTSYS";
      case errno.ERESTARTNOINTR:
        return "? ERESTARTNOINTR";
      case errno.ERESTARTNOHAND:
        return "? ERESTARTNOHAND";
      case errno.ERESTART_RESTARTBLOCK:
        return "? ERESTART_RESTARTBLOCK";
      default:
        return `-1 ${nameOf(e)}`;
    }
  }
  if (kind === "hex") return hex(result);
  if (kind === "octal") return `0${result.toString(8)}`;
  return String(result);
}
