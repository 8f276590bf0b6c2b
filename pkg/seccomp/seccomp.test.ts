import { expect, test } from "bun:test";
import {
  AUDIT_ARCH_I386,
  AUDIT_ARCH_X86_64,
  SECCOMP_RET_ALLOW,
  SECCOMP_RET_ERRNO,
  SECCOMP_RET_KILL_PROCESS,
  SECCOMP_RET_TRAP,
} from "../abi/linux/seccomp.ts";
import { type Program, run } from "../bpf/index.ts";
import { bunRules, compile, Rules } from "./index.ts";
import { type ArgOp, check, equal32, maskedEqual } from "./rules.ts";

function data(nr: number, args: readonly bigint[] = [], arch = AUDIT_ARCH_X86_64): Uint8Array {
  const v = new DataView(new ArrayBuffer(64));
  v.setInt32(0, nr, true);
  v.setUint32(4, arch, true);
  for (const [k, a] of args.entries()) {
    v.setBigUint64(16 + 8 * k, BigInt.asUintN(64, a), true);
  }
  return new Uint8Array(v.buffer);
}
const ask = (p: Program, nr: number, ...args: bigint[]) => run(p, data(nr, args), true);
const ALLOW = SECCOMP_RET_ALLOW;
const KILL = SECCOMP_RET_KILL_PROCESS;

test("numbers, architecture, x32", () => {
  const listed = [0, 3, 9, 10, 11, 60, 202, 231, 435];
  const p = compile({
    sets: [{ rules: new Rules().allow(...listed), action: ALLOW }],
    defaultAction: SECCOMP_RET_TRAP,
  });
  for (let nr = 0; nr < 500; nr++) {
    expect(ask(p, nr)).toBe(listed.includes(nr) ? ALLOW : SECCOMP_RET_TRAP);
  }
  expect(ask(p, -1)).toBe(KILL);
  expect(ask(p, 0x40000000)).toBe(KILL);
  expect(run(p, data(0, [], AUDIT_ARCH_I386), true)).toBe(KILL);
});

test("earlier sets win, alternatives are tried in order", () => {
  const p = compile({
    sets: [
      { rules: new Rules().allowIf(5, equal32(0, -1)), action: SECCOMP_RET_ERRNO | 38 },
      {
        rules: new Rules()
          .allowIf(5, check(1, "eq", 7))
          .allowIf(5, check(1, "eq", 9))
          .allow(6),
        action: ALLOW,
      },
    ],
    defaultAction: KILL,
  });
  expect(ask(p, 5, 0xffffffffn, 7n)).toBe(SECCOMP_RET_ERRNO | 38);
  expect(ask(p, 5, -1n, 7n)).toBe(SECCOMP_RET_ERRNO | 38);
  expect(ask(p, 5, 0n, 7n)).toBe(ALLOW);
  expect(ask(p, 5, 0n, 9n)).toBe(ALLOW);
  expect(ask(p, 5, 0n, 8n)).toBe(KILL);
  expect(ask(p, 5, 0n, 7n + (1n << 32n))).toBe(KILL);
  expect(ask(p, 6)).toBe(ALLOW);
});

test("64-bit comparisons", () => {
  const values = [0, 1, 5, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1, 2 ** 33, 2 ** 47, 2 ** 53 - 1, -1, -4096];
  const holds: Record<Exclude<ArgOp, "maskedEq">, (a: bigint, v: bigint) => boolean> = {
    eq: (a, v) => a === v,
    ne: (a, v) => a !== v,
    gt: (a, v) => a > v,
    ge: (a, v) => a >= v,
    lt: (a, v) => a < v,
    le: (a, v) => a <= v,
  };
  for (const [op, f] of Object.entries(holds)) {
    for (const v of values) {
      const rules = new Rules().allowIf(1, check(5, op as ArgOp, v));
      const p = compile({ sets: [{ rules, action: ALLOW }], defaultAction: KILL });
      for (const a of values) {
        const [ua, uv] = [BigInt.asUintN(64, BigInt(a)), BigInt.asUintN(64, BigInt(v))];
        expect([op, a, v, ask(p, 1, 0n, 0n, 0n, 0n, 0n, ua)]).toEqual([op, a, v, f(ua, uv) ? ALLOW : KILL]);
      }
    }
  }
  const rules = new Rules().allowIf(1, maskedEqual(0, 2 ** 40 + 4, 2 ** 40));
  const p = compile({ sets: [{ rules, action: ALLOW }], defaultAction: KILL });
  expect(ask(p, 1, 1n << 40n)).toBe(ALLOW);
  expect(ask(p, 1, (1n << 40n) + 11n)).toBe(ALLOW);
  expect(ask(p, 1, (1n << 40n) + 4n)).toBe(KILL);
  expect(ask(p, 1, 0n)).toBe(KILL);
});

test("Bun may start threads but no processes, and makes nothing executable", () => {
  const p = compile({ sets: [{ rules: bunRules(), action: ALLOW }], defaultAction: KILL });
  expect(ask(p, 56, 0x3d0f00n)).toBe(ALLOW);
  expect(ask(p, 56, 17n)).toBe(KILL);
  expect(ask(p, 10, 0n, 0n, 3n)).toBe(ALLOW);
  expect(ask(p, 10, 0n, 0n, 7n)).toBe(KILL);
  expect(ask(p, 9, 0n, 0n, 5n)).toBe(KILL);
  expect(ask(p, 59)).toBe(KILL);
});

const heavy = `
  import { install, compile, bunRules, bunDeniedRules, Rules } from "${import.meta.dir}/index.ts";
  const sets = [{ rules: bunRules().merge(new Rules().allow(1)), action: 0x7fff0000 },
    ...bunDeniedRules().map((d) => ({ rules: d.rules, action: 0x50000 | d.errno }))];
  const r = install(compile({ sets, defaultAction: 0x80000000 }));
  const end = performance.now() + 500;
  let keep = [];
  let n = 0;
  while (performance.now() < end) {
    for (let i = 0; i < 5000; i++) keep.push({ a: i, s: "x" + i, b: new Uint8Array(i % 3000) });
    if (keep.length > 60000) keep = [];
    for (let i = 0; i < 20; i++) { const f = new Function("a", "let s=" + n++ + ";for(let k=0;k<50;k++)s+=a*k;return s"); for (let k = 0; k < 200; k++) f(k); }
    if (n % 100 === 0) Bun.gc(true);
  }
  console.log("alive", r);
`;

test("a process under Bun's rules alone survives collection and compilation", () => {
  const ok = Bun.spawnSync([process.execPath, "-e", heavy]);
  expect(ok.stdout.toString() + ok.stderr.toString()).toBe("alive 0\n");
  const bad = Bun.spawnSync([
    process.execPath,
    "-e",
    `${heavy}; (await import("node:child_process")).spawnSync("/bin/true")`,
  ]);
  expect(bad.signalCode).toBe("SIGSYS");
}, 20000);
