import { expect, test } from "bun:test";
import * as host from "../../hostsyscall/index.ts";
import { Watchdog } from "./index.ts";

const child = (body: string): string => `
  import { Watchdog } from "${import.meta.dir}/index.ts";
  import * as host from "${import.meta.dir}/../../hostsyscall/index.ts";
  const w = new Watchdog({ logFD: 2, limit: 3, periodNs: 20e6 });
  if (w.start() <= 0) throw new Error("start");
  const until = (ms) => { const e = performance.now() + ms; while (performance.now() < e) {} };
  ${body}
  w.stop();
  console.log("done");
`;

test("a loop that beats or sleeps lives", () => {
  const r = Bun.spawnSync([
    process.execPath,
    "-e",
    child("for (let i = 0; i < 20; i++) { until(10); w.beat(); } w.sleep(); until(200); w.wake(); until(20);"),
  ]);
  expect(r.stderr.toString() + r.stdout.toString()).toBe("done\n");
});

test("a hang is reported with the system call and ends the process", () => {
  const args = "Uint32Array.from([1, 0, 0xfffff000, 0x7fff, 4096, 0, 0xffffffff, 0xffffffff, 0, 0, 0, 0])";
  const r = Bun.spawnSync([process.execPath, "-e", child(`w.beat(); w.enter(12, 257, ${args}); for (;;) {}`)]);
  expect(r.exitCode).toBe(70);
  expect(r.stderr.toString()).toBe(
    "watchdog: the kernel loop hangs; the sandbox is ended: task 12 in system call 257(0x1, 0x7ffffffff000, 0x1000, 0xffffffffffffffff, 0x0, 0x0)\n",
  );
});

test("starts and stops many times without leaving threads", () => {
  const threads = () => String(host.readFile("/proc/self/status")).match(/Threads:\s*(\d+)/)?.[1];
  const before = threads();
  const w = new Watchdog({ logFD: -1 });
  for (let i = 0; i < 50; i++) {
    expect(w.start()).toBeGreaterThan(0);
    w.stop();
  }
  expect(threads()).toBe(before);
});
