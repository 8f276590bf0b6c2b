import { expect, test } from "bun:test";
import {
  AUDIT_ARCH_I386,
  AUDIT_ARCH_X86_64,
  SECCOMP_RET_ALLOW,
  SECCOMP_RET_ERRNO,
  SECCOMP_RET_KILL_PROCESS,
} from "../../../pkg/abi/linux/seccomp.ts";
import * as nr from "../../../pkg/abi/linux/syscalls.ts";
import { decode, type Program, run as runBPF, validateSeccomp } from "../../../pkg/bpf/index.ts";
import { encodedFilter } from "./encode.ts";
import { buildProgram } from "./program.ts";
import { sentryRules } from "./rules.ts";

/** What a filter says about a call. */
function execute(program: Program, call: number, args: readonly number[] = [], arch = AUDIT_ARCH_X86_64): number {
  const bytes = new Uint8Array(64);
  const data = new DataView(bytes.buffer);
  data.setUint32(0, call, true);
  data.setUint32(4, arch, true);
  args.forEach((a, i) => {
    data.setUint32(16 + 8 * i, a >>> 0, true);
    data.setUint32(20 + 8 * i, Math.floor(a / 4294967296), true);
  });
  return runBPF(program, bytes, true);
}

const program = buildProgram(sentryRules({ hostWrites: false }));
const run = (call: number, ...args: number[]): number => execute(program, call, args);
const AT_FDCWD = 0xffffff9c;

test("the host takes the filter, as it is put into the executable", () => {
  const bytes = Buffer.from(encodedFilter({ hostWrites: false }), "base64");
  expect(validateSeccomp(program)).toBe(true);
  expect(decode(bytes, bytes.length / 8)).toEqual(program);
});

test("calls without conditions are allowed", () => {
  for (const c of [nr.SYS_futex, nr.SYS_read, nr.SYS_write, nr.SYS_close, nr.SYS_exit_group, nr.SYS_epoll_pwait2]) {
    expect(run(c)).toBe(SECCOMP_RET_ALLOW);
  }
});

test("every call that is not listed kills", () => {
  const listed = new Set(sentryRules({ hostWrites: false }).map((r) => r.nr));
  for (let c = 0; c < 600; c++) if (!listed.has(c)) expect(run(c)).toBe(SECCOMP_RET_KILL_PROCESS);
  for (const c of [
    nr.SYS_execve,
    nr.SYS_execveat,
    nr.SYS_fork,
    nr.SYS_vfork,
    nr.SYS_ptrace,
    nr.SYS_mount,
    nr.SYS_socket,
    nr.SYS_bpf,
    nr.SYS_unshare,
    nr.SYS_setns,
    nr.SYS_capset,
    nr.SYS_openat2,
  ]) {
    expect(run(c)).toBe(SECCOMP_RET_KILL_PROCESS);
  }
});

test("another architecture, and x32, kills", () => {
  expect(execute(program, nr.SYS_read, [], AUDIT_ARCH_I386)).toBe(SECCOMP_RET_KILL_PROCESS);
  expect(run(0x40000000 | nr.SYS_read)).toBe(SECCOMP_RET_KILL_PROCESS);
});

test("nothing becomes executable", () => {
  expect(run(nr.SYS_mmap, 0, 4096, 3)).toBe(SECCOMP_RET_ALLOW);
  expect(run(nr.SYS_mprotect, 0, 4096, 1)).toBe(SECCOMP_RET_ALLOW);
  for (const prot of [4, 5, 6, 7, 0x1000004]) {
    expect(run(nr.SYS_mmap, 0, 4096, prot)).toBe(SECCOMP_RET_KILL_PROCESS);
    expect(run(nr.SYS_mprotect, 0, 4096, prot)).toBe(SECCOMP_RET_KILL_PROCESS);
  }
});

test("clone makes threads only", () => {
  expect(run(nr.SYS_clone, 0x3d0f00)).toBe(SECCOMP_RET_ALLOW);
  expect(run(nr.SYS_clone, 17)).toBe(SECCOMP_RET_KILL_PROCESS);
  expect(run(nr.SYS_clone, 0x4111)).toBe(SECCOMP_RET_KILL_PROCESS);
  expect(run(nr.SYS_clone, 0x3d0f00 | 0x10000000)).toBe(SECCOMP_RET_KILL_PROCESS);
  expect(run(nr.SYS_clone3)).toBe(SECCOMP_RET_ERRNO | 38);
});

test("files are opened below descriptors, links not followed", () => {
  const flags = 0x20000 | 0x80000;
  expect(run(nr.SYS_openat, 6, 0, flags)).toBe(SECCOMP_RET_ALLOW);
  expect(run(nr.SYS_openat, AT_FDCWD, 0, flags)).toBe(SECCOMP_RET_ERRNO | 2);
  expect(run(nr.SYS_openat, 6, 0, 0x80000)).toBe(SECCOMP_RET_ERRNO | 2);
  expect(run(nr.SYS_openat, 6, 0, 0x20000)).toBe(SECCOMP_RET_ERRNO | 2);
});

test("only listed requests of ioctl, fcntl and prctl", () => {
  expect(run(nr.SYS_ioctl, 3, 0xc0502100)).toBe(SECCOMP_RET_ALLOW);
  expect(run(nr.SYS_ioctl, 3, 0x5412)).toBe(SECCOMP_RET_ERRNO | 1);
  expect(run(nr.SYS_prctl, 15)).toBe(SECCOMP_RET_ALLOW);
  expect(run(nr.SYS_prctl, 22)).toBe(SECCOMP_RET_ERRNO | 1);
});

test("directories of the host are changed only when a mount can be written to", () => {
  expect(run(nr.SYS_unlinkat, 6)).toBe(SECCOMP_RET_KILL_PROCESS);
  const writable = buildProgram(sentryRules({ hostWrites: true }));
  expect(execute(writable, nr.SYS_unlinkat, [6])).toBe(SECCOMP_RET_ALLOW);
  expect(execute(writable, nr.SYS_unlinkat, [AT_FDCWD])).toBe(SECCOMP_RET_KILL_PROCESS);
});

test("every rule says why", () => {
  for (const r of sentryRules({ hostWrites: true })) expect(r.reason.length).toBeGreaterThan(5);
});

test("a call listed twice is refused", () => {
  const rule = { nr: 1, name: "write", reason: "a test" };
  expect(() => buildProgram([rule, rule])).toThrow("two rules");
});
