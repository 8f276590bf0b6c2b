import { expect, test } from "bun:test";
import * as auxv from "../../abi/linux/auxv.ts";
import * as elf from "../../abi/linux/elf.ts";
import { RLIMIT_STACK } from "../../abi/linux/rlimit.ts";
import * as linuxerr from "../../errors/linuxerr/index.ts";
import { LinuxError } from "../../errors/linuxerr/index.ts";
import * as host from "../../hostsyscall/index.ts";
import { StringBlock } from "../../hostsyscall/index.ts";
import { newRootCredentials, newRootUserNamespace } from "../kernel/auth/index.ts";
import { Limit, newDefaultLimitSet } from "../limits/index.ts";
import type { MMapOpts } from "../memmap/index.ts";
import { MemoryManager } from "../mm/index.ts";
import { FakeFile, FakePlatform } from "../mm/testutil/fake_platform.ts";
import { MemoryFile } from "../pgalloc/index.ts";
import type { IOSequence } from "../usermem/index.ts";
import {
  type FileDescription,
  KnownPath,
  type PathOperation,
  type VirtualDentry,
  type VirtualFilesystem,
} from "../vfs/index.ts";
import { Features, KnownHeads, type LoadArgs, loadProgram } from "./index.ts";

host.safeInstall();
const PAGE = 4096;
const memory = new MemoryFile();

/** A file with given bytes. */
class TestFile {
  readonly bytes: Uint8Array;
  readonly object: FakeFile;
  refs = 1;
  mode = 0o100755;
  uid = 0;
  gid = 0;
  readable = true;
  readonly vd = { mount: { flags: 0, fs: { userNamespace: null } } };
  readonly inode = {
    fs: { vfs: { inotify: { watches: 0 } } },
    mode: (): number => this.mode,
    uid: (): number => this.uid,
    gid: (): number => this.gid,
    checkPermissions: (): number => (this.readable ? 0 : -13),
    getXattr: (): string | number => -61,
  };

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.object = new FakeFile(memory.fileIDs.newFileID(), bytes.length);
    host.copyToHost(this.object.base, bytes, 0, bytes.length);
  }
  incRef(): void {
    this.refs++;
  }
  decRef(): void {
    this.refs--;
  }
  pread(dst: IOSequence, offset: number): number {
    const n = Math.max(0, Math.min(dst.numBytes(), this.bytes.length - offset));
    return n === 0 ? 0 : dst.copyOut(this.bytes, offset, n);
  }
  configureMMap(o: MMapOpts): void {
    o.mappable = this.object;
    this.object.incRef();
    o.mappingIdentity = this.object;
  }
}

interface Segment {
  type: number;
  flags: number;
  offset: number;
  vaddr: number;
  filesz: number;
  memsz: number;
  align?: number;
}

function makeElf(type: number, entry: number, segments: Segment[], size = 3 * PAGE): Uint8Array {
  const b = new Uint8Array(size).fill(0xcc);
  const v = new DataView(b.buffer);
  b.fill(0, 0, 64 + segments.length * 56);
  const put = (off: number, n: number): void => {
    v.setUint32(off, n >>> 0, true);
    v.setUint32(off + 4, Math.floor(n / 4294967296), true);
  };
  v.setUint32(0, elf.ELF_MAGIC, true);
  b[4] = 2;
  v.setUint16(elf.E_TYPE, type, true);
  v.setUint16(elf.E_MACHINE, elf.EM_X86_64, true);
  put(elf.E_ENTRY, entry);
  put(elf.E_PHOFF, 64);
  v.setUint16(elf.E_PHENTSIZE, 56, true);
  v.setUint16(elf.E_PHNUM, segments.length, true);
  segments.forEach((s, i) => {
    const p = 64 + i * 56;
    v.setUint32(p, s.type, true);
    v.setUint32(p + 4, s.flags, true);
    put(p + elf.P_OFFSET, s.offset);
    put(p + elf.P_VADDR, s.vaddr);
    put(p + elf.P_FILESZ, s.filesz);
    put(p + elf.P_MEMSZ, s.memsz);
    put(p + elf.P_ALIGN, s.align ?? PAGE);
  });
  return b;
}

const TEXT: Segment = { type: elf.PT_LOAD, flags: 5, offset: 0, vaddr: 0x400000, filesz: PAGE, memsz: PAGE };
const DATA: Segment = { type: elf.PT_LOAD, flags: 6, offset: PAGE, vaddr: 0x401000, filesz: 100, memsz: 3 * PAGE };

function args(file: TestFile, files: Record<string, TestFile> = {}): LoadArgs {
  const platform = new FakePlatform();
  const limits = newDefaultLimitSet();
  const none = {} as unknown as VirtualDentry;
  const vfs = {
    openAt: (_c: unknown, pop: PathOperation): TestFile => {
      const f = files[pop.path];
      if (f === undefined) throw linuxerr.ENOENT;
      f.refs++;
      return f;
    },
    currentTask: () => null,
  };
  return {
    mm: new MemoryManager({ platform, memoryFile: memory, limits }),
    vfs: vfs as unknown as VirtualFilesystem,
    platform,
    features: new Features(),
    knownInterpreter: new KnownPath(),
    knownHeads: new KnownHeads(),
    root: none,
    cwd: none,
    creds: newRootCredentials(newRootUserNamespace()),
    limits,
    filename: "/bin/prog",
    file: file as unknown as FileDescription,
    argv: StringBlock.of(["prog", "-x"]),
    envv: StringBlock.of(["A=1"]),
    noNewPrivs: false,
    unsafe: false,
    allowSUID: true,
    randomize: true,
    pathInaccessible: false,
    committed: false,
  };
}

function errorOf(a: LoadArgs): string {
  try {
    loadProgram(a);
  } catch (e) {
    if (e instanceof LinuxError) return e.name + (a.committed ? " late" : "");
    throw e;
  }
  return "";
}

function read(mm: MemoryManager, addr: number, len: number): DataView {
  const b = new Uint8Array(len);
  expect(mm.copyIn(addr, b, 0, len)).toBe(len);
  return new DataView(b.buffer);
}

function u64(v: DataView, off: number): number {
  return v.getUint32(off + 4, true) * 4294967296 + v.getUint32(off, true);
}

function cstring(mm: MemoryManager, addr: number): string {
  let s = "";
  for (let a = addr; ; a++) {
    const c = read(mm, a, 1).getUint8(0);
    if (c === 0) return s;
    s += String.fromCharCode(c);
  }
}

/** argc, argv, envp and the auxiliary vector as the program finds them. */
function stackOf(mm: MemoryManager, sp: number): { argv: string[]; envv: string[]; aux: Map<number, number> } {
  const argc = u64(read(mm, sp, 8), 0);
  let p = sp + 8;
  const argv: string[] = [];
  for (let i = 0; i < argc; i++, p += 8) argv.push(cstring(mm, u64(read(mm, p, 8), 0)));
  expect(u64(read(mm, p, 8), 0)).toBe(0);
  p += 8;
  const envv: string[] = [];
  for (; ; p += 8) {
    const a = u64(read(mm, p, 8), 0);
    if (a === 0) break;
    envv.push(cstring(mm, a));
  }
  p += 8;
  const aux = new Map<number, number>();
  for (; ; p += 16) {
    const v = read(mm, p, 16);
    if (u64(v, 0) === 0) break;
    aux.set(u64(v, 0), u64(v, 8));
  }
  return { argv, envv, aux };
}

test("a static program: segments, bss, stack, auxiliary vector", () => {
  const f = new TestFile(makeElf(elf.ET_EXEC, 0x400200, [TEXT, DATA]));
  const a = args(f);
  const p = loadProgram(a);
  expect(p.entry).toBe(0x400200);
  expect(p.name).toBe("prog");
  expect(p.dumpable).toBe(true);
  expect(p.sp % 16).toBe(0);
  const s = stackOf(a.mm, p.sp);
  expect(s.argv).toEqual(["prog", "-x"]);
  expect(s.envv).toEqual(["A=1"]);
  expect(s.aux.get(auxv.AT_PHDR)).toBe(0x400040);
  expect(s.aux.get(auxv.AT_PHNUM)).toBe(2);
  expect(s.aux.get(auxv.AT_ENTRY)).toBe(0x400200);
  expect(s.aux.get(auxv.AT_SYSINFO_EHDR)).toBe(0x7ffff7fc4000);
  expect(cstring(a.mm, s.aux.get(auxv.AT_EXECFN) ?? 0)).toBe("/bin/prog");
  expect(cstring(a.mm, s.aux.get(auxv.AT_PLATFORM) ?? 0)).toBe("x86_64");
  // The file's bytes, then zeros: to the end of the page and beyond.
  expect(read(a.mm, 0x401000 + 99, 1).getUint8(0)).toBe(0xcc);
  for (const at of [100, PAGE - 1, PAGE, 3 * PAGE - 1]) expect(read(a.mm, 0x401000 + at, 1).getUint8(0)).toBe(0);
  expect(a.mm.brkStart).toBeGreaterThan(0x404000);
  expect(a.mm.findVMA(p.sp)?.growsDown).toBe(true);
  expect(f.refs).toBe(2);
  expect(String.fromCharCode(...new Uint8Array(read(a.mm, a.mm.argStart, a.mm.argEnd - a.mm.argStart).buffer))).toBe(
    "prog\0-x\0",
  );
  a.mm.decUsers();
  expect(f.refs).toBe(1);
});

test("a position-independent program and its interpreter", () => {
  const path = "/lib/ld.so";
  const bytes = makeElf(elf.ET_DYN, 0x200, [
    { ...TEXT, vaddr: 0 },
    { ...DATA, vaddr: PAGE },
    { type: elf.PT_INTERP, flags: 4, offset: 2 * PAGE, vaddr: 0, filesz: path.length + 1, memsz: path.length + 1 },
  ]);
  for (let i = 0; i < path.length; i++) bytes[2 * PAGE + i] = path.charCodeAt(i);
  bytes[2 * PAGE + path.length] = 0;
  const ld = new TestFile(makeElf(elf.ET_DYN, 0x100, [{ ...TEXT, vaddr: 0 }]));
  const f = new TestFile(bytes);
  const a = args(f, { [path]: ld });
  const p = loadProgram(a);
  const s = stackOf(a.mm, p.sp);
  const base = s.aux.get(auxv.AT_BASE) ?? 0;
  expect(p.entry).toBe(base + 0x100);
  expect(base).toBeGreaterThan(0x7000_0000_0000);
  const entry = s.aux.get(auxv.AT_ENTRY) ?? 0;
  expect(entry).toBeGreaterThan(0x5555_5555_4000);
  expect(entry).toBeLessThan(0x6555_5555_6000);
  expect(s.aux.get(auxv.AT_PHDR)).toBe(entry - 0x200 + 64);
  expect(ld.refs).toBe(1);
  a.mm.decUsers();
  // Not there, and not a program.
  expect(errorOf(args(f))).toBe("ENOENT");
  expect(errorOf(args(f, { [path]: new TestFile(new Uint8Array(100)) }))).toBe("ELIBBAD");
  expect(errorOf(args(f, { [path]: new TestFile(new Uint8Array(10)) }))).toBe("EIO");
});

test("a known program is decoded again when it is another one now", () => {
  const f = new TestFile(makeElf(elf.ET_EXEC, 0x400200, [TEXT, DATA]));
  const known = new KnownHeads();
  const entries = [0x400200, 0x400200, 0x400300, 0x400300].map((entry, i) => {
    f.bytes.set(makeElf(elf.ET_EXEC, entry, [TEXT, DATA]));
    const a = args(f);
    a.knownHeads = known;
    const p = loadProgram(a);
    expect(known.entries.length).toBe(i < 2 ? 1 : 2);
    expect(stackOf(a.mm, p.sp).aux.get(auxv.AT_PHNUM)).toBe(2);
    a.mm.decUsers();
    return p.entry;
  });
  expect(entries).toEqual([0x400200, 0x400200, 0x400300, 0x400300]);
});

test("a static position-independent program lies among the mappings", () => {
  const f = new TestFile(makeElf(elf.ET_DYN, 0x200, [{ ...TEXT, vaddr: 0, align: 0x200000 }]));
  const a = args(f);
  const p = loadProgram(a);
  expect(p.entry).toBeGreaterThan(0x7000_0000_0000);
  expect((p.entry - 0x200) % 0x200000).toBe(0);
  expect(a.mm.brkStart).toBeGreaterThanOrEqual(0x5555_5555_4000);
  expect(a.mm.brkStart).toBeLessThan(0x5556_0000_0000);
  a.mm.decUsers();
});

test("scripts", () => {
  const prog = new TestFile(makeElf(elf.ET_EXEC, 0x400200, [TEXT]));
  const script = (s: string): TestFile => new TestFile(new TextEncoder().encode(s));
  const a = args(script("#! /bin/sh  -e  x \nfoo"), { "/bin/sh": prog });
  const p = loadProgram(a);
  expect(stackOf(a.mm, p.sp).argv).toEqual(["/bin/sh", "-e  x", "/bin/prog", "-x"]);
  expect(p.name).toBe("prog");
  a.mm.decUsers();
  const b = args(script("#!/bin/a\n"), { "/bin/a": script("#!/bin/sh\n"), "/bin/sh": prog });
  expect(stackOf(b.mm, loadProgram(b).sp).argv).toEqual(["/bin/sh", "/bin/a", "/bin/prog", "-x"]);
  const loop = script("#!/bin/a\n");
  expect(errorOf(args(loop, { "/bin/a": loop }))).toBe("ELOOP");
  expect(errorOf(args(script("#!/nowhere\n")))).toBe("ENOENT");
  expect(errorOf(args(script("#!\n")))).toBe("ENOEXEC");
  expect(errorOf(args(script("#!   \t \n")))).toBe("ENOEXEC");
  expect(errorOf(args(script(`#!/${"a".repeat(300)}\n`)))).toBe("ENOEXEC");
  expect(errorOf(args(script(`#!/bin/sh ${"a".repeat(300)}\n`), { "/bin/sh": prog }))).toBe("");
  expect(errorOf(args(script("#!/bin/sh"), { "/bin/sh": prog }))).toBe("");
  expect(errorOf(args(script("")))).toBe("ENOEXEC");
  const c = args(script("#!/bin/sh\n"), { "/bin/sh": prog });
  c.pathInaccessible = true;
  expect(errorOf(c)).toBe("ENOENT");
});

test("broken headers", () => {
  const make = (change: (v: DataView) => void, segments = [TEXT, DATA]): LoadArgs => {
    const b = makeElf(elf.ET_EXEC, 0x400200, segments);
    change(new DataView(b.buffer));
    return args(new TestFile(b));
  };
  expect(errorOf(make((v) => v.setUint16(elf.E_MACHINE, 3, true)))).toBe("ENOEXEC");
  expect(errorOf(make((v) => v.setUint16(elf.E_TYPE, 1, true)))).toBe("ENOEXEC");
  expect(errorOf(make((v) => v.setUint16(elf.E_PHNUM, 0, true)))).toBe("ENOEXEC");
  expect(errorOf(make((v) => v.setUint16(elf.E_PHNUM, 1171, true)))).toBe("ENOEXEC");
  expect(errorOf(make((v) => v.setUint16(elf.E_PHENTSIZE, 32, true)))).toBe("ENOEXEC");
  expect(errorOf(make((v) => v.setUint32(elf.E_PHOFF + 4, 0xffffffff, true)))).toBe("ENOEXEC");
  expect(errorOf(make((v) => v.setUint32(elf.E_PHOFF, 100000, true)))).toBe("ENOEXEC");
  expect(errorOf(make((v) => v.setUint32(elf.E_ENTRY + 4, 0x80000000, true)))).toBe("EINVAL late");
  expect(errorOf(args(new TestFile(makeElf(elf.ET_EXEC, 0, [TEXT]).subarray(0, 50))))).toBe("ENOEXEC");
  expect(errorOf(make(() => {}, [{ ...TEXT, offset: 100 }]))).toBe("EINVAL late");
  expect(errorOf(make(() => {}, [{ ...TEXT, filesz: 2 * PAGE }]))).toBe("EINVAL late");
  expect(errorOf(make(() => {}, [{ ...TEXT, memsz: 2 ** 60 }]))).toContain("late");
  expect(errorOf(make(() => {}, [{ ...TEXT, vaddr: 0x7fff_ffff_f000 }]))).toContain("late");
  expect(errorOf(make(() => {}, [{ ...TEXT, vaddr: 2 ** 63 }]))).toContain("late");
  const interp = { ...TEXT, type: elf.PT_INTERP };
  expect(errorOf(make(() => {}, [{ ...interp, filesz: 1 }]))).toBe("ENOEXEC");
  expect(errorOf(make(() => {}, [{ ...interp, filesz: 5000 }]))).toBe("ENOEXEC");
  expect(errorOf(make(() => {}, [{ ...interp, filesz: 16, offset: 100000 }]))).toBe("EIO");
  expect(errorOf(make(() => {}, [{ ...interp, filesz: 16, offset: PAGE }]))).toBe("ENOEXEC");
});

test("argument limits", () => {
  const f = new TestFile(makeElf(elf.ET_EXEC, 0x400200, [TEXT]));
  const a = args(f);
  a.argv = StringBlock.of(["x".repeat(elf.MAX_ARG_STRLEN - 1)]);
  expect(errorOf(a)).toBe("");
  const b = args(f);
  b.argv = StringBlock.of(["x".repeat(elf.MAX_ARG_STRLEN)]);
  expect(errorOf(b)).toBe("E2BIG");
  const c = args(f);
  c.argv = StringBlock.of(new Array<string>(30).fill("x".repeat(100000)));
  expect(errorOf(c)).toBe("E2BIG");
  c.limits.setUnchecked(RLIMIT_STACK, Limit.of(64 << 20, 64 << 20));
  c.committed = false;
  expect(errorOf(c)).toBe("");
  const d = args(f);
  d.argv = StringBlock.of([]);
  expect(stackOf(d.mm, loadProgram(d).sp).argv).toEqual([""]);
});

test("set-user-ID", () => {
  const f = new TestFile(makeElf(elf.ET_EXEC, 0x400200, [TEXT]));
  f.mode = 0o104755;
  const a = args(f);
  a.creds = a.creds.setresuid(1000, 1000, 1000);
  const p = loadProgram(a);
  expect(p.creds.effectiveKUID).toBe(0);
  expect(p.creds.effectiveCaps.has(21)).toBe(true);
  expect(p.secureExec).toBe(true);
  expect(p.dumpable).toBe(false);
  expect(stackOf(a.mm, p.sp).aux.get(auxv.AT_SECURE)).toBe(1);
  const b = args(f);
  b.creds = b.creds.setresuid(1000, 1000, 1000);
  b.noNewPrivs = true;
  expect(loadProgram(b).creds.effectiveKUID).toBe(1000);
});
