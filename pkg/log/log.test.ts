import { expect, test } from "bun:test";
import * as host from "../hostsyscall/index.ts";
import { DEBUG, INFO, Logger, parseLevel, RateLimiter, WARNING } from "./index.ts";

function capture(f: (fd: number) => void): string {
  const fd = host.memfdCreate("log", 1);
  f(fd);
  const buf = new Uint8Array(65536);
  const n = host.pread(fd, buf, 0, buf.length, 0);
  host.close(fd);
  return host.byteString(buf, 0, n);
}

test("levels", () => {
  expect([parseLevel("debug"), parseLevel("Info"), parseLevel("warning"), parseLevel("x")]).toEqual([2, 1, 0, null]);
  const out = capture((fd) => {
    const l = new Logger(fd, WARNING);
    l.debug("a", "1");
    l.info("a", "2");
    l.warning("a", "3");
    l.setLevel(DEBUG);
    l.debug("a", "4");
    l.failure("gofer", "openat", -13);
  });
  expect(out.replace(/\d{4}-\S+Z/g, "T")).toBe("W T a: 3\nD T a: 4\nW T gofer: openat: EACCES\n");
  new Logger(-1, DEBUG).debug("a", "b");
});

test("a message is one line, whatever is in it", () => {
  const out = capture((fd) => {
    new Logger(fd, INFO).info("x\ny", 'a"\0\x1b\xff\n\u2603');
    new Logger(fd, INFO, "json").info("x\ny", 'a"\n');
    new Logger(fd, INFO).info("x", "y".repeat(100000));
  });
  const lines = out.split("\n");
  expect(lines.length).toBe(4);
  expect(lines[0]).toEndWith('x\\ny: a"\\x00\\x1b\\xff\\n\\u2603');
  expect(JSON.parse(lines[1] ?? "")).toMatchObject({ level: "info", msg: 'x\\ny: a"\\n' });
  expect(lines[2]?.length).toBe(8191);
});

test("rate limit", () => {
  const r = new RateLimiter(1e9, 2);
  expect([r.allow(0), r.allow(1), r.allow(2), r.allow(1e9 - 1), r.dropped]).toEqual([true, true, false, false, 2]);
  expect([r.allow(1e9), r.allow(1e9 + 1), r.allow(5e9), r.allow(5e9), r.allow(5e9)]).toEqual([
    true,
    false,
    true,
    true,
    false,
  ]);
});
