import { ptr } from "bun:ffi";
import { ELF_HEADER_SIZE, putELFHeader } from "../../../../native/elf.ts";
import { ENOSYS } from "../../../abi/linux/errno.ts";
import {
  AUDIT_ARCH_X86_64,
  SECCOMP_DATA_ARCH,
  SECCOMP_DATA_ARGS,
  SECCOMP_DATA_IP,
  SECCOMP_DATA_NR,
  SECCOMP_RET_ALLOW,
  SECCOMP_RET_ERRNO,
  SECCOMP_RET_KILL_PROCESS,
  SECCOMP_RET_TRAP,
  SECCOMP_RET_USER_NOTIF,
} from "../../../abi/linux/seccomp.ts";
import { encode, type Instruction, insn, JEQ_K, JGE_K, LD_W_ABS, RET_K } from "../../../bpf/index.ts";
import * as host from "../../../hostsyscall/index.ts";
import { stateType } from "../../../state/index.ts";
import { TABLE_BASE, TABLE_SIZE } from "./call_table.ts";
import type { SystrapNative } from "./native.ts";

/*
 * Layout of a stub process, the same in all of them. Guests own everything below STUB_BASE; the host's vvar and vdso lie above.
 */

/** Where the stub's text starts; one past the highest guest address. */
export const STUB_BASE = 0x7fff_0000_0000;
/** The read-only page group through which the sentry gives commands. */
export const COMMAND_BASE = STUB_BASE + 0x1_0000;
/** Bytes of the command area of one stub. */
export const COMMAND_SIZE = 0x4000;
/** Bytes of a stub's text, from STUB_BASE. */
export const STUB_TEXT_SIZE = 0x1000;
/** Bytes a stub has in the memfd: command area, then call table. */
export const REGION_SIZE = COMMAND_SIZE + TABLE_SIZE;
/** Words that say whether the sentry polls request lines, and for how many rounds to wait for an answer; read-only for guests. The stub has its address built in. */
export const STATUS_BASE = STUB_BASE + 0x8000;
/** Lowest address a guest can map: what lies below belongs to the call table, or is never mapped. */
export const MIN_ADDRESS = 0x70000;
/** In a slot: the cookie, flags and entry the trampoline keeps (or the address of a dispatched call), the selector of its dispatch, the request line with its
 * result, where a clock is read into, the signal stack. */
export const SLOT_COOKIE = 0x08;
export const SLOT_FLAGS = 0x20;
export const SLOT_ENTRY = 0x28;
export const SLOT_SELECTOR = 0x30;
export const SLOT_LINE = 0x40;
export const SLOT_NR = 0x44;
export const SLOT_ARGS = 0x48;
export const SLOT_RESULT = 0x78;
export const SLOT_CLOCK = 0x100;
export const SLOT_RUSAGE = 0x110;
export const SIZEOF_RUSAGE = 144;
export const SLOT_STACK = 0x400;
export const COOKIE = 0x52554e53;
/** Where the signal stacks of guest threads are; slot i at SLOT_BASE + i * SLOT_SIZE in whatever stub the thread lives. */
export const SLOT_BASE = STUB_BASE + 0x1000_0000;
/** Bytes of a slot: one signal frame with AVX-512 state needs 4 KiB, nested forged frames must not reach a neighbour's. */
export const SLOT_SIZE = 0x4000;
/** Words of a CPU mask: 1024, as many as most hosts may have. */
export const CPU_WORDS = 32;
/** Guest threads that can exist at a time. */
export const MAX_SLOTS = 0x4000;
/** Stub processes that can exist at a time. */
export const MAX_STUBS = 0x2000;
/** Notified call number of a command report. */
export const NR_COMMAND = 0x7e01;
/** Notified call number of a signal report. */
export const NR_EVENT = 0x7e02;
/** Descriptors in every stub. */
export const STUB_MEMFD = 1;
export const STUB_MEMORY_FILE = 2;
/** The host signal that interrupts a guest thread: it has no other use in a stub, which has no children. */
export const SIGNAL_INTERRUPT = 10;

/** Host signals whose handler is the stub's. */
const HANDLED_SIGNALS = [4, 5, 7, 8, 11, 31, SIGNAL_INTERRUPT] as const;

const RET_ENOSYS = SECCOMP_RET_ERRNO | ENOSYS;
const IP_LOW = SECCOMP_DATA_IP;
const IP_HIGH = SECCOMP_DATA_IP + 4;
const ARG1_LOW = SECCOMP_DATA_ARGS + 8;

/** Calls whose handling needs the caller's registers: they raise SIGSYS (clone fork vfork execve exit exit_group rt_sigreturn sigaltstack arch_prctl execveat clone3). */
export const TRAPPED_SYSCALLS = [56, 57, 58, 59, 60, 231, 15, 131, 158, 322, 435] as const;
/** Calls that only the command thread may make, from the blob (mmap mprotect munmap clone prctl sigaltstack seccomp close clock_gettime getrusage). */
const COMMAND_SYSCALLS = [9, 10, 11, 56, 157, 131, 317, 3, 228, 98] as const;
/** Calls a guest thread may make from the blob without us: rt_sigreturn (and see ALLOW_WAIT). */
const BLOB_SYSCALLS = [15] as const;

/** if (A == any of values) return action; A holds the call number and keeps it. */
function retIfAny(values: readonly number[], action: number): Instruction[] {
  return values.flatMap((v): Instruction[] => [insn(JEQ_K, 0, 1, v), insn(RET_K, 0, 0, action)]);
}

/** A thread that waits for the answer to its request sleeps on its line: futex(2) with FUTEX_WAIT, and nothing else of it. Keeps A unless it returns. */
const ALLOW_WAIT: readonly Instruction[] = [
  insn(JEQ_K, 0, 4, 202),
  insn(LD_W_ABS, 0, 0, ARG1_LOW),
  insn(JEQ_K, 0, 1, 0),
  insn(RET_K, 0, 0, SECCOMP_RET_ALLOW),
  insn(RET_K, 0, 0, SECCOMP_RET_USER_NOTIF),
];

/** Jumps over `body` unless the instruction pointer is in the stub's text page. */
function ifBlob(body: Instruction[]): Instruction[] {
  const low = STUB_BASE % 4294967296;
  const high = Math.floor(STUB_BASE / 4294967296);
  return [
    insn(LD_W_ABS, 0, 0, IP_HIGH),
    insn(JEQ_K, 0, body.length + 4, high),
    insn(LD_W_ABS, 0, 0, IP_LOW),
    insn(JGE_K, 0, body.length + 2, low),
    insn(JGE_K, body.length + 1, 0, low + 0x1000),
    insn(LD_W_ABS, 0, 0, SECCOMP_DATA_NR),
    ...body,
  ];
}

/** The filter of every stub thread: everything is notified but what needs registers (trapped) and the blob's own calls. */
export function stubFilter(): Instruction[] {
  return [
    insn(LD_W_ABS, 0, 0, SECCOMP_DATA_ARCH),
    insn(JEQ_K, 1, 0, AUDIT_ARCH_X86_64),
    insn(RET_K, 0, 0, RET_ENOSYS),
    ...ifBlob([
      ...retIfAny(BLOB_SYSCALLS, SECCOMP_RET_ALLOW),
      ...retIfAny(COMMAND_SYSCALLS, SECCOMP_RET_ALLOW),
      ...ALLOW_WAIT,
      insn(RET_K, 0, 0, SECCOMP_RET_USER_NOTIF),
    ]),
    insn(LD_W_ABS, 0, 0, SECCOMP_DATA_NR),
    ...retIfAny(TRAPPED_SYSCALLS, SECCOMP_RET_TRAP),
    insn(RET_K, 0, 0, SECCOMP_RET_USER_NOTIF),
  ];
}

/** What guest threads have on top: a jump to the blob's system call instruction with a command thread's call kills the stub. */
export function guestFilter(): Instruction[] {
  return [...ifBlob(retIfAny(COMMAND_SYSCALLS, SECCOMP_RET_KILL_PROCESS)), insn(RET_K, 0, 0, SECCOMP_RET_ALLOW)];
}

/** One operation of a command program: system call number (or OP_REPORT, OP_ENTER), up to six arguments, where a child goes on. */
export type Op = readonly [
  nr: number,
  a0?: number,
  a1?: number,
  a2?: number,
  a3?: number,
  a4?: number,
  a5?: number,
  child?: number,
];
/** Ends a program: report to the sentry. */
export const OP_REPORT = [-1] as const;
/** Ends a new thread's program: raise the signal that makes the first frame. */
export const OP_ENTER = [-2] as const;
/** Bytes of an operation. */
export const OP_SIZE = 64;

/** Writes an operation into words (two an argument), starting at word `at`. */
export function encodeOp(words: Uint32Array, at: number, op: Op): void {
  for (let i = 0; i < 8; i++) {
    const v = op[i] ?? 0;
    words[at + 2 * i] = v;
    words[at + 2 * i + 1] = Math.floor(v / 4294967296);
  }
}

/** Addresses inside a stub that the sentry needs. */
export class StubImage {
  static readonly stateType = stateType(
    "systrap.StubImage",
    [],
    [
      "bytes",
      "commandIP",
      "eventIP",
      "trampIP",
      "checkIP",
      "waitIP",
      "slowIP",
      "restoredIP",
      "endIP",
      "secondProgram",
      "guestFprog",
    ],
  );
  /** The ELF file. */
  readonly bytes: Uint8Array;
  /** Instruction pointer of a command report and of a signal report. */
  readonly commandIP: number;
  readonly eventIP: number;
  /** The trampoline: its start, the instruction that faults when GS is the guest's, the part in which a request stands, the part that gives up, where
   * that has put flags and number back, the end. */
  readonly trampIP: number;
  readonly checkIP: number;
  readonly waitIP: number;
  readonly slowIP: number;
  readonly restoredIP: number;
  readonly endIP: number;
  /** The program to run after the first report. */
  readonly secondProgram: number;
  /** struct sock_fprog of the guest threads' filter. */
  readonly guestFprog: number;

  /** Lays out one page: ELF header, blob, initial programs, filters, signal actions. */
  constructor(native: SystrapNative, statusOffset: number, tableOffset: number) {
    const info = new Uint32Array(22);
    native.systrap_blob(ptr(info));
    const at = (i: number): number => (info[2 * i + 1] ?? 0) * 4294967296 + (info[2 * i] ?? 0);
    const blobSize = at(1);
    const image = new Uint8Array(0x1000);
    const words = new Uint32Array(image.buffer);
    const view = new DataView(image.buffer);
    const u64 = (off: number, v: number): void => {
      view.setUint32(off, v % 4294967296, true);
      view.setUint32(off + 4, Math.floor(v / 4294967296), true);
    };
    // The blob follows the headers; the initial program must follow the blob (the entry code finds it there).
    const blob = ELF_HEADER_SIZE;
    host.copyFromHost(image, blob, at(0), blobSize);
    const entry = STUB_BASE + blob;
    this.commandIP = entry + at(2);
    this.eventIP = entry + at(4);
    this.trampIP = entry + at(6);
    this.checkIP = entry + at(7);
    this.waitIP = entry + at(8);
    this.slowIP = entry + at(9);
    this.restoredIP = entry + at(10);
    this.endIP = entry + blobSize;
    const program = blob + blobSize;
    const data = 0xa00;
    const filterN = data + 0x100;
    const insns = stubFilter();
    const filterG = filterN + insns.length * 8;
    const guest = guestFilter();
    image.set(encode(insns), filterN);
    image.set(encode(guest), filterG);
    // data: +0 empty signal set, +8 struct kernel_sigaction, +0x40 and +0x50 the two sock_fprogs.
    u64(data + 8, entry + at(3));
    u64(data + 16, 0x4 | 0x08000000 | 0x04000000 | 0x10000000); // SA_SIGINFO | SA_ONSTACK | SA_RESTORER | SA_RESTART
    u64(data + 24, entry + at(5));
    view.setUint32(data + 32, 0xffffffff, true);
    view.setUint32(data + 36, 0xffffffff, true);
    view.setUint16(data + 0x40, insns.length, true);
    u64(data + 0x48, STUB_BASE + filterN);
    view.setUint16(data + 0x50, guest.length, true);
    u64(data + 0x58, STUB_BASE + filterG);
    this.guestFprog = STUB_BASE + data + 0x50;
    const ops: Op[] = [
      [157, 38, 1], // prctl(PR_SET_NO_NEW_PRIVS)
      [157, 1, 9], // prctl(PR_SET_PDEATHSIG, SIGKILL)
      ...HANDLED_SIGNALS.map((sig): Op => [13, sig, STUB_BASE + data + 8, 0, 8]),
      [14, 2, STUB_BASE + data, 0, 8], // rt_sigprocmask(SIG_SETMASK, empty)
      [317, 1, 8 | 32, STUB_BASE + data + 0x40], // seccomp(SET_MODE_FILTER, NEW_LISTENER | WAIT_KILLABLE_RECV): descriptor 0
      OP_REPORT,
    ];
    const second: Op[] = [
      [9, COMMAND_BASE, COMMAND_SIZE, 1, 0x11, STUB_MEMFD, 0], // mmap(PROT_READ, MAP_SHARED | MAP_FIXED)
      [9, TABLE_BASE, TABLE_SIZE, 5, 0x11, STUB_MEMFD, tableOffset],
      [9, STATUS_BASE, 0x1000, 1, 0x11, STUB_MEMFD, statusOffset],
      [3, 0],
      OP_REPORT,
    ];
    if (program + (ops.length + second.length) * OP_SIZE > data || filterG + guest.length * 8 > 0x1000) {
      throw new Error("systrap: the stub image does not fit its page");
    }
    ops.forEach((op, i) => {
      encodeOp(words, (program + i * OP_SIZE) / 4, op);
    });
    const secondAt = program + ops.length * OP_SIZE;
    second.forEach((op, i) => {
      encodeOp(words, (secondAt + i * OP_SIZE) / 4, op);
    });
    this.secondProgram = STUB_BASE + secondAt;
    putELFHeader(image, STUB_BASE, blob);
    this.bytes = image;
  }
}
