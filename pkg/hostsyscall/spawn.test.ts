import { expect, test } from "bun:test";
import { CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWUSER, CLONE_NEWUTS } from "../abi/linux/clone.ts";
import { ENOENT, EPERM } from "../abi/linux/errno.ts";
import { SYS_sethostname } from "../abi/linux/syscalls.ts";
import * as host from "./index.ts";

function run(o: Omit<host.SpawnOptions, "argv" | "env">, script: string, env: string[] = []) {
  const p: number[] = [];
  expect(host.pipe2(p, 0o2000000)).toBe(0);
  const r = host.spawn({
    path: "/bin/sh",
    ...o,
    argv: ["sh", "-c", script],
    env,
    fds: [...(o.fds ?? []), [p[1] ?? -1, 1]],
  });
  host.close(p[1] ?? -1);
  let out = "";
  const buf = new Uint8Array(4096);
  for (let n = 0; (n = host.read(p[0] ?? -1, buf)) > 0; ) {
    out += host.byteString(buf, 0, n);
  }
  host.close(p[0] ?? -1);
  const w = new host.HostWaitStatus();
  if (r.pid > 0) {
    expect(host.wait4(r.pid, 0x40000000, w)).toBe(r.pid);
    host.close(r.pidfd);
  }
  return { ...r, out, status: w.status };
}

test("runs a program with its environment, arguments and exit status", () => {
  const r = run({}, "echo $A $0; exit 3", ["A=b c"]);
  expect(r).toMatchObject({ failed: "", out: "b c sh\n", status: 3 << 8 });
});

test("gives the child the descriptors asked for and no others", () => {
  const fd = host.open("/dev/null", 0);
  const extra = host.dup(fd); // not close-on-exec
  const r = run(
    {
      fds: [
        [fd, 7],
        [fd, 5],
      ],
    },
    "cd /proc/self/fd && echo *",
  );
  host.close(fd);
  host.close(extra);
  expect(
    r.out
      .trim()
      .split(" ")
      .filter((s) => Number(s) < 10 && s !== "3"),
  ).toEqual(["0", "1", "2", "5", "7"]);
});

test("swaps descriptors", () => {
  const p: number[] = [];
  host.pipe2(p, 0o2000000);
  const [a = -1, b = -1] = p;
  const r = run(
    {
      fds: [
        [a, b],
        [b, a],
      ],
    },
    `head -2 /proc/self/fdinfo/${a} /proc/self/fdinfo/${b} | grep flags`,
  );
  expect(r.out.match(/\d+/g)?.map((f) => Number.parseInt(f, 8) & 3)).toEqual([1, 0]);
  host.close(a);
  host.close(b);
});

test("resets signal dispositions and the mask", () => {
  const r = run({}, "exec cat /proc/self/status");
  expect(r.out.match(/^Sig(Blk|Ign|Cgt):.*$/gm)).toEqual([
    "SigBlk:\t0000000000000000",
    "SigIgn:\t0000000000000000",
    "SigCgt:\t0000000000000000",
  ]);
});

test("reports the step that failed and reaps the child", () => {
  expect(host.spawn({ path: "/nonexistent", argv: ["x"], env: [] })).toEqual({
    pid: -ENOENT,
    pidfd: -1,
    failed: "execve",
  });
  expect(host.spawn({ path: "/bin/true", argv: ["x"], env: [], cwd: "/none" })).toMatchObject({ failed: "chdir" });
  expect(host.spawn({ path: "/bin/true", argv: ["x"], env: [], beforeGo: () => -EPERM })).toEqual({
    pid: -EPERM,
    pidfd: -1,
    failed: "beforeGo",
  });
  expect(host.wait4(-1, 1 | 0x40000000, new host.HostWaitStatus())).toBe(-10);
});

test("new namespaces with id maps and calls in the child", () => {
  const uid = host.getuid();
  const gid = host.getgid();
  const r = run(
    {
      cloneFlags: CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWUTS,
      uidMap: [{ inside: 0, outside: uid, count: 1 }],
      gidMap: [{ inside: 0, outside: gid, count: 1 }],
      denySetgroups: true,
      setsid: true,
      uid: 0,
      gid: 0,
      calls: [{ name: "hostname", nr: SYS_sethostname, args: ["inside", 6] }],
      noNewPrivs: true,
      pdeathsig: 9,
    },
    "echo $$ $(uname -n) $(id -u)",
  );
  if (r.pid === -EPERM && r.failed === "clone") {
    return; // user namespaces are off on this machine
  }
  expect(r).toMatchObject({ failed: "", out: "1 inside 0\n", status: 0 });
});
