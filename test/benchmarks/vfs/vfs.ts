/**
 * What calls on files cost in the sentry when the trap is left out: `bun test/benchmarks/vfs/vfs.ts [--shared] [--walk=DIRECTORY]`.
 *
 * The root is put together as `runsc do` does it: a host directory under an overlay in memory. No guest, no confinement.
 */
import { heapStats, profile } from "bun:jsc";
import { parseArgs } from "node:util";
import { DT_DIR } from "../../../pkg/abi/linux/dirent.ts";
import { O_CREAT, O_DIRECTORY, O_PATH, O_RDONLY, O_RDWR } from "../../../pkg/abi/linux/file.ts";
import { MS_RDONLY } from "../../../pkg/abi/linux/fs.ts";
import { S_IFDIR, S_IFMT } from "../../../pkg/abi/linux/stat.ts";
import * as host from "../../../pkg/hostsyscall/index.ts";
import { GoferOptions, GoferType } from "../../../pkg/sentry/fsimpl/gofer/index.ts";
import { OverlayOptions, OverlayType } from "../../../pkg/sentry/fsimpl/overlay/index.ts";
import { TmpfsType } from "../../../pkg/sentry/fsimpl/tmpfs/index.ts";
import { newRootCredentials, newRootUserNamespace } from "../../../pkg/sentry/kernel/auth/index.ts";
import { MemoryFile } from "../../../pkg/sentry/pgalloc/index.ts";
import { BytesIO, IOSequence } from "../../../pkg/sentry/usermem/index.ts";
import {
  type DirentCallback,
  PathOperation,
  Statx,
  type Timestamp,
  VirtualFilesystem,
} from "../../../pkg/sentry/vfs/index.ts";

const { values: options } = parseArgs({
  options: {
    shared: { type: "boolean", default: false },
    timed: { type: "boolean", default: false },
    walk: { type: "string", default: "" },
    profile: { type: "boolean", default: false },
  },
});

class FixedClock {
  realtimeCoarse(out: Timestamp): void {
    out.sec = 1;
    out.nsec = 0;
  }
}

const users = newRootUserNamespace();
const creds = newRootCredentials(users);
const memoryFile = new MemoryFile({ name: "bench" });
const vfs = new VirtualFilesystem(new FixedClock(), Number(process.env["DENTRIES"] ?? 30000));
vfs.registerFilesystemType(new TmpfsType(memoryFile, 1 << 30));
vfs.registerFilesystemType(new OverlayType());
vfs.registerFilesystemType(new GoferType(memoryFile.fileIDs));
host.safeInstall();
const directory = new GoferOptions(host.open("/", O_PATH | O_DIRECTORY));
directory.exclusive = !options.shared && !options.timed;
directory.trustFor = options.timed ? 1000 : 0;
const lower = vfs.newFilesystem(creds, "9p", "none", { flags: MS_RDONLY, data: "", internalData: directory });
const lowerRoot = vfs.newDisconnectedMount(lower, lower.rootDentry(), "none", MS_RDONLY).rootVD;
const upper = vfs.newFilesystem(creds, "tmpfs", "none", { flags: 0, data: "mode=755", internalData: null });
const upperRoot = vfs.newDisconnectedMount(upper, upper.rootDentry(), "none", 0).rootVD;
const layers = new OverlayOptions(upperRoot, [lowerRoot]);
layers.private = true;
const root = vfs.newMountNamespace(creds, "none", "overlay", { flags: 0, data: "", internalData: layers }, users).root;

const st = new Statx();
const pop = new PathOperation(root, root, "", true);

function at(path: string, follow = true): PathOperation {
  pop.path = path;
  pop.followFinalSymlink = follow;
  return pop;
}

function open(path: string, flags: number) {
  return vfs.openAt(creds, at(path), { flags, mode: 0o644 });
}

/** Nanoseconds of one run, the least of seven of about 50 ms. */
function measure(name: string, run: (n: number) => void): void {
  let n = 64;
  let best = Number.POSITIVE_INFINITY;
  for (let rounds = 0; rounds < 7; ) {
    const from = Bun.nanoseconds();
    run(n);
    const took = Bun.nanoseconds() - from;
    if (took < 40e6) n *= 2;
    else {
      rounds++;
      best = Math.min(best, took / n);
    }
  }
  console.log(`${name.padEnd(36)}${best.toFixed(0).padStart(8)} ns`);
}

/** An entry of a directory that is being walked. */
class Names implements DirentCallback {
  names: string[] = [];
  types: number[] = [];
  handle(name: string, type: number): boolean {
    if (name !== "." && name !== "..") {
      this.names.push(name);
      this.types.push(type);
    }
    return true;
  }
}

function walk(top: string): number {
  const todo = [top];
  let count = 0;
  for (let dir = todo.pop(); dir !== undefined; dir = todo.pop()) {
    const fd = open(dir, O_RDONLY | O_DIRECTORY);
    const list = new Names();
    fd.incRef();
    try {
      for (let before = -1; before !== list.names.length; ) {
        before = list.names.length;
        fd.iterDirents(list);
      }
      for (let i = 0; i < list.names.length; i++) {
        pop.start = fd.vd;
        vfs.statAt(creds, at(list.names[i] ?? "", false), st);
        count++;
        if ((st.mode & S_IFMT) === S_IFDIR || list.types[i] === DT_DIR) todo.push(`${dir}/${list.names[i]}`);
      }
    } finally {
      pop.start = root;
      fd.decRef();
      fd.decRef();
    }
  }
  return count;
}

if (options.walk !== "") {
  const walks = options.profile ? 0 : 4;
  if (options.profile) {
    walk(options.walk);
    console.log(
      profile(() => walk(options.walk), 250)
        .functions.split("\n")
        .slice(0, 30)
        .join("\n"),
    );
  }
  for (let i = 0; i < walks; i++) {
    const from = Bun.nanoseconds();
    const cpu = process.cpuUsage();
    const count = walk(options.walk);
    const took = Bun.nanoseconds() - from;
    const { user, system } = process.cpuUsage(cpu);
    const memory = process.memoryUsage.rss() / 1e6;
    console.log(
      `walk ${i}: ${(took / 1e6).toFixed(0)} ms, ${count} entries, ${(took / count).toFixed(0)} ns each (CPU ${(user / 1e3).toFixed(0)} + ${(system / 1e3).toFixed(0)} ms); ${memory.toFixed(0)} MB, ${vfs.dentryCache.count} dentries`,
    );
  }
  Bun.gc(true);
  const { heapSize, objectCount, objectTypeCounts } = heapStats();
  console.log(`after collection: ${(heapSize / 1e6).toFixed(0)} MB, ${objectCount} objects`);
  const types = Object.entries(objectTypeCounts).sort(([, a], [, b]) => b - a);
  for (const [name, n] of types.slice(0, 12)) console.log(`${String(n).padStart(9)} ${name}`);
  process.exit(0);
}

const file = "/usr/bin/env";
measure("stat, 3 components", (n) => {
  for (let i = 0; i < n; i++) vfs.statAt(creds, at(file), st);
});
measure("stat, missing name", (n) => {
  for (let i = 0; i < n; i++) vfs.tryStatAt(creds, at("/usr/lib/libmissing.so"), st);
});
measure("open+close", (n) => {
  for (let i = 0; i < n; i++) open(file, O_RDONLY).decRef();
});
measure("open+close of a directory", (n) => {
  for (let i = 0; i < n; i++) open("/usr/lib", O_RDONLY | O_DIRECTORY).decRef();
});
const lowerFile = open(file, O_RDONLY);
const upperFile = open("/made-by-bench", O_RDWR | O_CREAT);
const io = new BytesIO(new Uint8Array(new ArrayBuffer(65536)));
const one = new IOSequence();
measure("fstat", (n) => {
  for (let i = 0; i < n; i++) lowerFile.stat(st);
});
measure("pread of a byte, lower layer", (n) => {
  for (let i = 0; i < n; i++) lowerFile.pread(one.setSingle(io, 0, 1), i & 1023);
});
measure("pwrite of a byte, upper layer", (n) => {
  for (let i = 0; i < n; i++) upperFile.pwrite(one.setSingle(io, 0, 1), i & 1023);
});
measure("pread of a byte, upper layer", (n) => {
  for (let i = 0; i < n; i++) upperFile.pread(one.setSingle(io, 0, 1), i & 511);
});
