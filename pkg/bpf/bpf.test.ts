import { ptr } from "bun:ffi";
import { expect, test } from "bun:test";
import * as b from "../abi/linux/bpf.ts";
import { EINVAL } from "../abi/linux/errno.ts";
import * as host from "../hostsyscall/index.ts";
import { decode, encode, type Instruction, insn, RET_K, run, validate, validateSeccomp } from "./index.ts";

const i = (code: number, k = 0, jt = 0, jf = 0): Instruction => insn(code, jt, jf, k);
const RET = RET_K;

/** A small generator, so that failures repeat. */
class Random {
  state: number;
  constructor(seed: number) {
    this.state = seed;
  }
  next(n: number): number {
    this.state = (Math.imul(this.state, 1664525) + 1013904223) >>> 0;
    return Math.floor((this.state / 4294967296) * n);
  }
}

const codes: number[] = [];
for (let c = 0; c < 256; c++) {
  codes.push(c);
}

function randomProgram(r: Random): Instruction[] {
  const n = 2 + r.next(14);
  const p: Instruction[] = [];
  for (let k = 0; k < n - 1; k++) {
    const code = r.next(30) === 0 ? r.next(300) : (codes[r.next(256)] ?? 0);
    const value = r.next(4) === 0 ? Math.floor(r.next(65536) * 65536 + r.next(65536)) : r.next(40);
    const jump = (code & 7) === b.BPF_JMP;
    p.push(i(code, jump && r.next(3) > 0 ? r.next(n - k) : value, jump ? r.next(n - k) : 0, jump ? r.next(n - k) : 0));
  }
  p.push(i(r.next(20) === 0 ? 0 : r.next(2) === 0 ? RET : b.BPF_RET | b.BPF_A, r.next(64)));
  return p;
}

/** Attaches the program to a socket: 0 or the kernel's -EINVAL. */
function attach(fd: number, p: readonly Instruction[]): number {
  const insns = encode(p);
  const fprog = new Uint32Array(new ArrayBuffer(16));
  fprog[0] = p.length;
  host.put64(fprog, 2, ptr(insns));
  return host.setsockopt(fd, 1, 26, new Uint8Array(fprog.buffer));
}

test("checks and results agree with the kernel on random programs", () => {
  const pair: number[] = [];
  expect(host.socketpair(1, 2 | 0o4000, 0, pair)).toBe(0);
  const [tx = -1, rx = -1] = pair;
  const r = new Random(42);
  const packet = new Uint8Array(48);
  const out = new Uint8Array(64);
  let accepted = 0;
  for (let n = 0; n < 4000; n++) {
    let p = randomProgram(r);
    if (n % 2 === 0) {
      p = p.map((x) =>
        validate([i(b.BPF_ST, x.k & 15), x, i(RET)]) || (x.code & 7) === b.BPF_JMP ? x : i(b.BPF_ST, x.k & 15),
      );
    }
    const want = attach(rx, p);
    if (want !== 0 && want !== -EINVAL) {
      throw new Error(`attach: ${want}`);
    }
    expect([validate(p), JSON.stringify(p)]).toEqual([want === 0, JSON.stringify(p)]);
    // Loads at negative offsets reach headers and ancillary data of the socket buffer: not ours.
    if (want !== 0 || p.some((x) => (x.code & 7) <= 1 && x.k > 0x7fffffff)) {
      continue;
    }
    accepted++;
    for (let k = 0; k < packet.length; k++) {
      packet[k] = r.next(256);
    }
    host.sendto(tx, packet, 0, packet.length, 0, null);
    const got = host.recv(rx, out, 0, 64, 0);
    expect([Math.min(run(p, packet, false), packet.length), JSON.stringify(p)]).toEqual([
      Math.max(got, 0),
      JSON.stringify(p),
    ]);
  }
  expect(accepted).toBeGreaterThan(300);
  host.close(tx);
  host.close(rx);
});

test("encode and decode", () => {
  const p = [i(0x15, 0xdeadbeef, 3, 255), i(RET, 1)];
  expect(decode(encode(p), 2)).toEqual(p);
  expect([...encode(p)].slice(0, 8)).toEqual([0x15, 0, 3, 255, 0xef, 0xbe, 0xad, 0xde]);
});

test("seccomp programs load aligned words of the call's data only", () => {
  const ld = (k: number) => [i(b.BPF_LD | b.BPF_W | b.BPF_ABS, k), i(RET)];
  expect(validateSeccomp(ld(60))).toBe(true);
  expect(validateSeccomp(ld(61))).toBe(false);
  expect(validateSeccomp(ld(64))).toBe(false);
  expect(validateSeccomp([i(b.BPF_LD | b.BPF_H | b.BPF_ABS, 0), i(RET)])).toBe(false);
  expect(validateSeccomp([i(b.BPF_LD | b.BPF_W | b.BPF_IND, 0), i(RET)])).toBe(false);
  expect(validateSeccomp([i(b.BPF_ALU | b.BPF_MOD | b.BPF_K, 3), i(RET)])).toBe(false);
  // The codes Linux 6.18 accepts in a seccomp filter.
  const ok =
    "0,1,2,3,4,5,6,7,12,20,21,22,28,29,32,36,37,44,45,52,53,60,61,68,69,76,77,84,92,96,97,100,108,116,124,128,129,132,135,164,172";
  const mine: number[] = [];
  for (let c = 0; c < 512; c++) {
    if (validateSeccomp([i(b.BPF_ST, 4), i(c, 4), ...Array.from({ length: 6 }, () => i(RET))])) {
      mine.push(c);
    }
  }
  expect(mine.join()).toBe(ok);
});
