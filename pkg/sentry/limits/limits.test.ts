import { expect, test } from "bun:test";
import { RLIM_INFINITY, RLIMIT_CORE, RLIMIT_NOFILE, RLIMIT_STACK } from "../../abi/linux/rlimit.ts";
import { LinuxError } from "../../errors/linuxerr/index.ts";
import { Limit, type LimitSet, newDefaultLimitSet } from "./index.ts";

function trySet(l: LimitSet, r: number, cur: number, max: number, privileged: boolean): string {
  try {
    l.set(r, Limit.of(cur, max), privileged);
  } catch (e) {
    if (e instanceof LinuxError) return e.name;
    throw e;
  }
  return "";
}

test("rules of setting", () => {
  const l = newDefaultLimitSet();
  expect(l.cur(RLIMIT_STACK)).toBe(8 << 20);
  expect(l.get(RLIMIT_STACK).max).toBe(RLIM_INFINITY);
  expect(trySet(l, RLIMIT_STACK, 2, 1, true)).toBe("EINVAL");
  expect(trySet(l, RLIMIT_NOFILE, 10, 2 ** 21, true)).toBe("EPERM");
  expect(trySet(l, RLIMIT_CORE, 10, 100, false)).toBe("");
  expect(trySet(l, RLIMIT_CORE, 10, 101, false)).toBe("EPERM");
  expect(trySet(l, RLIMIT_CORE, 10, RLIM_INFINITY, true)).toBe("");
  expect(trySet(l, 16, 1, 1, true)).toBe("EINVAL");
});

test("64-bit values are kept exactly", () => {
  const l = newDefaultLimitSet();
  l.set(RLIMIT_STACK, new Limit(0xffffffff, 0x7fffffff, 0xfffffffe, 0xffffffff), true);
  const got = l.get(RLIMIT_STACK);
  expect([got.curLo, got.curHi, got.maxLo, got.maxHi]).toEqual([0xffffffff, 0x7fffffff, 0xfffffffe, 0xffffffff]);
  expect(l.getCopy().get(RLIMIT_STACK)).toBe(got);
});
