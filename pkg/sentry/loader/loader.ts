import * as auxv from "../../abi/linux/auxv.ts";
import {
  BINPRM_BUF_SIZE,
  ELF_INTERP_MAX,
  ET_DYN,
  PF_X,
  PT_GNU_STACK,
  PT_INTERP,
  SIZEOF_EHDR,
  SIZEOF_PHDR,
} from "../../abi/linux/elf.ts";
import { ENODATA, EOPNOTSUPP } from "../../abi/linux/errno.ts";
import { O_RDONLY } from "../../abi/linux/file.ts";
import { MS_NOSUID } from "../../abi/linux/fs.ts";
import { RLIMIT_STACK } from "../../abi/linux/rlimit.ts";
import { S_ISGID, S_ISUID, S_IXGRP } from "../../abi/linux/stat.ts";
import { USER_HZ } from "../../abi/linux/time.ts";
import type { LinuxError } from "../../errors/linuxerr/index.ts";
import * as linuxerr from "../../errors/linuxerr/index.ts";
import * as host from "../../hostsyscall/index.ts";
import { StringBlock } from "../../hostsyscall/index.ts";
import {
  type Credentials,
  execCredentials,
  type FileCapabilities,
  parseFileCapabilities,
} from "../kernel/auth/index.ts";
import type { LimitSet } from "../limits/index.ts";
import { AccessExec, AccessRead, AccessWrite, newMMapOpts } from "../memmap/index.ts";
import type { MemoryManager } from "../mm/index.ts";
import type { Platform } from "../platform/platform.ts";
import {
  type FileDescription,
  type KnownPath,
  MAY_READ,
  PathOperation,
  type VirtualDentry,
  type VirtualFilesystem,
} from "../vfs/index.ts";
import { type ElfHeader, Head, type KnownHeads, type ProgramHeader, parseHeader, readProgramHeaders } from "./elf.ts";
import type { Features } from "./features.ts";
import {
  NoRandom,
  newLayout,
  PAGE_SIZE,
  PIE_BASE,
  pageDown,
  pageUp,
  type RandomSource,
  randomizeBrk,
  TASK_SIZE,
} from "./layout.ts";
import { type LoadedElf, mapExecutable, mapInterpreter } from "./load_elf.ts";
import { isScript, parseScript } from "./script.ts";
import { ArgumentBudget, AuxvBuilder, buildStack, STACK_EXPAND, stringBytes } from "./stack.ts";

/** How many scripts may interpret each other. */
const MAX_SCRIPTS = 5;
/** Longest comm without its NUL. */
const TASK_COMM_LEN = 15;
const XATTR_NAME_CAPS = "security.capability";

/** What to load and into what. */
export interface LoadArgs {
  /** Fresh; on an error it is half built and to be thrown away. */
  mm: MemoryManager;
  vfs: VirtualFilesystem;
  platform: Platform;
  features: Features;
  /** The name of the last program's interpreter. */
  knownInterpreter: KnownPath;
  knownHeads: KnownHeads;
  /** Where interpreters are looked up. */
  root: VirtualDentry;
  cwd: VirtualDentry;
  /** Of the task that calls execve. */
  creds: Credentials;
  limits: LimitSet;
  /** Name as execve(2) got it, or "/dev/fd/N[/path]" from execveat(2): AT_EXECFN, and comm. */
  filename: string;
  /** Opened with fileExec; the loader takes references of its own. */
  file: FileDescription;
  /** Is used up. */
  argv: StringBlock;
  envv: StringBlock;
  noNewPrivs: boolean;
  /** Privileges are not gained: a tracer without privileges, fs context shared with another process. */
  unsafe: boolean;
  /** Set-user-ID bits and file capabilities count. */
  allowSUID: boolean;
  /** False with ADDR_NO_RANDOMIZE. */
  randomize: boolean;
  /** `filename` goes through a descriptor that exec will close: a script's interpreter could not open it. */
  pathInaccessible: boolean;
  /**
   * Set by loadProgram at the point from which Linux cannot return to the old program: when an error is thrown after it the process dies of
   * SIGSEGV instead of getting the errno.
   */
  committed: boolean;
}

/** A program ready to run. */
export interface LoadedProgram {
  /** First instruction: the interpreter's, if there is one. */
  entry: number;
  sp: number;
  /** comm: at most 15 bytes. */
  name: string;
  creds: Credentials;
  /** AT_SECURE. */
  secureExec: boolean;
  /** False when the process must not be dumpable: privileges changed or a file was not readable. */
  dumpable: boolean;
}

/** Numbers from the host's generator. */
class HostRandom implements RandomSource {
  readonly bytes = new Uint8Array(64);
  readonly view = new DataView(this.bytes.buffer);
  used = 64;

  below(limit: number): number {
    if (this.used + 4 > this.bytes.length) {
      if (host.getrandom(this.bytes) !== this.bytes.length) throw linuxerr.EIO;
      this.used = 0;
    }
    const v = this.view.getUint32(this.used, true);
    this.used += 4;
    return Math.floor((v / 4294967296) * limit);
  }

  /** AT_RANDOM's bytes. */
  sixteen(): Uint8Array {
    const words = new Uint32Array(4);
    for (let i = 0; i < 4; i++) words[i] = this.below(4294967296);
    return new Uint8Array(words.buffer);
  }
}

/** The program that scripts led to. */
class Target {
  /** With a reference. */
  file: FileDescription;
  argv: StringBlock;
  dumpable = true;
  header: ElfHeader | null = null;
  /** null: not decoded yet. */
  phdrs: readonly ProgramHeader[] | null = null;
  head: Head | null = null;

  constructor(file: FileDescription, argv: StringBlock) {
    this.file = file;
    this.argv = argv;
  }

  /** Continues with another file. */
  replaceFile(f: FileDescription): void {
    this.file.decRef();
    this.file = f;
  }
}

/** Opens an interpreter. */
function openExec(a: LoadArgs, path: string, known: KnownPath | null): FileDescription {
  // An empty name is the working directory, and that is no program.
  if (path === "") throw linuxerr.EACCES;
  const pop = new PathOperation(a.root, a.cwd, path, true);
  pop.known = known;
  return a.vfs.openAt(a.creds, pop, { flags: O_RDONLY, mode: 0, fileExec: true });
}

function isReadable(a: LoadArgs, f: FileDescription): boolean {
  return f.inode.checkPermissions(a.creds, MAY_READ) === 0;
}

/** Follows `#!` lines to an ELF file. */
function findProgram(a: LoadArgs, target: Target): void {
  let scriptPath = a.filename;
  const budget = new ArgumentBudget(a.limits, a.argv.count, a.envv.count);
  budget.take(a.filename.length);
  budget.takeBlock(a.envv);
  budget.takeBlock(a.argv);
  // Linux gives a program without arguments an empty first one.
  if (a.argv.count === 0) a.argv.append("");
  for (let depth = 0; ; depth++) {
    if (depth > MAX_SCRIPTS) throw linuxerr.ELOOP;
    const head = new Head(target.file);
    if (head.length < 0) throw errorOf(head.length);
    if (!isReadable(a, target.file)) hide(a, target, target.file);
    const known = a.knownHeads.find(head);
    if (known !== null) {
      target.header = known.header;
      target.phdrs = known.phdrs;
      target.head = head;
      return;
    }
    const buf = head.bytes.subarray(0, BINPRM_BUF_SIZE);
    const header = parseHeader(buf.subarray(0, SIZEOF_EHDR));
    if (header !== null) {
      target.header = header;
      target.head = head;
      return;
    }
    if (!isScript(buf)) throw linuxerr.ENOEXEC;
    const line = parseScript(buf);
    if (line === null) throw linuxerr.ENOEXEC;
    if (a.pathInaccessible) throw linuxerr.ENOENT;
    const old = target.argv;
    // The name that the script was called by makes room for these.
    if (old.count > 0) budget.left += old.stringAt(0).length + 1;
    budget.take(scriptPath.length);
    if (line.arg !== null) budget.take(line.arg.length);
    budget.take(line.interpreter.length);
    const argv = new StringBlock();
    argv.append(line.interpreter);
    if (line.arg !== null) argv.append(line.arg);
    argv.append(scriptPath);
    if (old.count > 0) argv.appendBlock(old, 1);
    target.argv = argv;
    scriptPath = line.interpreter;
    target.replaceFile(openExec(a, line.interpreter, null));
  }
}

/** The error object of a negative errno from a read. */
function errorOf(r: number): LinuxError {
  return linuxerr.fromErrno(-r);
}

/** A program interpreter, opened and checked. */
interface Interpreter {
  file: FileDescription;
  header: ElfHeader;
  phdrs: readonly ProgramHeader[];
}

/** See readProgramHeaders; they are known from here on. */
function decodePhdrs(a: LoadArgs, head: Head, header: ElfHeader): ProgramHeader[] | null {
  const phdrs = readProgramHeaders(head, header);
  if (phdrs !== null) a.knownHeads.add(head, header, phdrs);
  return phdrs;
}

/** Opens the file that PT_INTERP names. */
function openInterpreter(a: LoadArgs, target: Target, targetHead: Head, p: ProgramHeader): Interpreter {
  if (p.filesz > ELF_INTERP_MAX || p.filesz < 2) throw linuxerr.ENOEXEC;
  if (p.offset >= 2 ** 63) throw linuxerr.EINVAL;
  const bytes = targetHead.read(p.offset, p.filesz);
  if (typeof bytes === "number") throw errorOf(bytes);
  if (bytes.length !== p.filesz) throw linuxerr.EIO;
  if (bytes[p.filesz - 1] !== 0) throw linuxerr.ENOEXEC;
  const path = Buffer.from(bytes.subarray(0, bytes.indexOf(0))).toString("latin1");
  const known = a.knownInterpreter;
  if (known.text !== path) known.become(path);
  const file = openExec(a, path, known);
  try {
    if (!isReadable(a, file)) hide(a, target, file);
    const head = new Head(file);
    if (head.length < SIZEOF_EHDR) throw head.length < 0 ? errorOf(head.length) : linuxerr.EIO;
    const known = a.knownHeads.find(head);
    if (known !== null) return { file, header: known.header, phdrs: known.phdrs };
    const header = parseHeader(head.bytes.subarray(0, SIZEOF_EHDR));
    if (header === null) throw linuxerr.ELIBBAD;
    const phdrs = decodePhdrs(a, head, header);
    if (phdrs === null) throw linuxerr.ELIBBAD;
    return { file, header, phdrs };
  } catch (e) {
    file.decRef();
    throw e;
  }
}

/** A file of the program may be executed but not read: nor may the process's memory, by those who could not read the file either. */
function hide(a: LoadArgs, target: Target, file: FileDescription): void {
  target.dumpable = false;
  let ns = a.mm.userNamespace;
  while (ns !== null && ns.parent !== null && !ns.mapsIDs(file.inode.uid(), file.inode.gid())) ns = ns.parent;
  a.mm.userNamespace = ns;
}

/** Privileges that come from the file: its set-ID bits and capabilities. */
function newCredentials(a: LoadArgs, file: FileDescription): { creds: Credentials; secureExec: boolean } {
  let setKUID = -1;
  let setKGID = -1;
  let fileCaps: FileCapabilities | null = null;
  const inode = file.inode;
  if (a.allowSUID && maySUID(a, file)) {
    const mode = inode.mode();
    const ns = a.creds.userNamespace;
    if (!a.noNewPrivs && ns.mapsIDs(inode.uid(), inode.gid())) {
      if ((mode & S_ISUID) !== 0) setKUID = inode.uid();
      if ((mode & (S_ISGID | S_IXGRP)) === (S_ISGID | S_IXGRP)) setKGID = inode.gid();
    }
    fileCaps = readFileCaps(file, a.creds);
  }
  return execCredentials(a.creds, { setKUID, setKGID, fileCaps, noNewPrivs: a.noNewPrivs, unsafe: a.unsafe });
}

/** Whether set-ID bits and capabilities of a file count (mnt_may_suid()): not on mounts or filesystems that are not the caller's own. */
function maySUID(a: LoadArgs, file: FileDescription): boolean {
  const { mount } = file.vd;
  if ((mount.flags & MS_NOSUID) !== 0) return false;
  const t = a.vfs.currentTask();
  if (t !== null && mount.ns !== t.mountNamespace) return false;
  const owner = mount.fs.userNamespace;
  return owner === null || a.creds.userNamespace.isWithin(owner);
}

function readFileCaps(file: FileDescription, creds: Credentials): FileCapabilities | null {
  const value = file.inode.getXattr(XATTR_NAME_CAPS, creds);
  if (typeof value === "number") {
    if (value === -ENODATA || value === -EOPNOTSUPP) return null;
    throw errorOf(value);
  }
  return parseFileCapabilities(Buffer.from(value, "latin1"));
}

/** The last component of a path. */
function baseName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/**
 * Loads a program into a fresh memory manager: what execve(2) does after the file was opened, up to the first instruction.
 * Throws ENOEXEC, ELOOP, ELIBBAD, E2BIG, EACCES, ENOENT, ENOMEM, EIO, EINVAL, EFAULT; see LoadArgs.committed.
 */
export function loadProgram(a: LoadArgs): LoadedProgram {
  a.file.incRef();
  const target = new Target(a.file, a.argv);
  let interp: Interpreter | null = null;
  try {
    findProgram(a, target);
    const { header, head } = target;
    if (header === null || head === null) throw linuxerr.ENOEXEC;
    const phdrs = target.phdrs ?? decodePhdrs(a, head, header);
    if (phdrs === null) throw linuxerr.ENOEXEC;
    for (const p of phdrs) {
      if (p.type !== PT_INTERP) continue;
      interp = openInterpreter(a, target, head, p);
      break;
    }
    let execStack = false;
    for (const p of phdrs) if (p.type === PT_GNU_STACK) execStack = (p.flags & PF_X) !== 0;
    const next = newCredentials(a, target.file);
    a.committed = true;
    return build(a, target, header, phdrs, interp, execStack, next.creds, next.secureExec);
  } finally {
    target.file.decRef();
    if (interp !== null) interp.file.decRef();
  }
}

/** Everything behind the point of no return. */
function build(
  a: LoadArgs,
  target: Target,
  header: ElfHeader,
  phdrs: readonly ProgramHeader[],
  interp: Interpreter | null,
  execStack: boolean,
  creds: Credentials,
  secureExec: boolean,
): LoadedProgram {
  const mm = a.mm;
  const hostRandom = new HostRandom();
  const random: RandomSource = a.randomize ? hostRandom : new NoRandom();
  const stackLimit = a.limits.cur(RLIMIT_STACK);
  const layout = newLayout(a.platform, stackLimit, random);
  mm.setLayout(layout);
  mm.addSpecialMappings();

  // The stack comes first, so that nothing else takes its place.
  const strings = pageUp(stringBytes(target.argv, a.envv, a.filename));
  let expand = STACK_EXPAND;
  if (strings + expand > stackLimit) expand = Math.max(pageDown(stackLimit) - strings, 0);
  const stackBottom = layout.stackTop - strings - expand;
  const stack = newMMapOpts();
  stack.addr = stackBottom;
  stack.length = layout.stackTop - stackBottom;
  stack.fixed = true;
  stack.perms = AccessRead | AccessWrite | (execStack ? AccessExec : 0);
  stack.growsDown = true;
  stack.stack = true;
  stack.hint = "[stack]";
  mm.mmap(stack);

  const main = mapExecutable(mm, target.file, header, phdrs, interp !== null, random);
  let entry = main.entry;
  let base = 0;
  if (interp !== null) {
    base = mapInterpreter(mm, interp.file, interp.header, interp.phdrs, main.bias !== 0);
    entry = base + interp.header.entry;
  }
  if (entry >= TASK_SIZE || entry < 0) throw linuxerr.EINVAL;

  const aux = baseAuxv(a, main, header, base, creds, secureExec);
  const image = buildStack(layout.stackTop, random.below(8192), {
    argv: target.argv,
    envv: a.envv,
    filename: a.filename,
    random: hostRandom.sixteen(),
    auxv: aux,
    hwcap2Lo: a.features.hwcap2Lo,
    hwcap2Hi: a.features.hwcap2Hi,
  });
  // The lowest first: memory comes around the first address.
  store(mm, image.sp, image.bytes, image.bytes.length);
  store(mm, image.argStart, target.argv.bytes, target.argv.length);
  // With the name of the file behind it.
  store(mm, image.envStart, a.envv.bytes, a.envv.length);

  let brk = pageUp(main.end);
  if (a.randomize) {
    // A program interpreter run as a program lies among the mappings: its heap gets room of its own.
    const direct = header.type === ET_DYN && interp === null;
    brk = randomizeBrk(direct ? pageUp(PIE_BASE) : brk + PAGE_SIZE, random);
  }
  mm.setBrk(brk);
  mm.startCode = main.startCode;
  mm.endCode = main.endCode;
  mm.startData = main.startData;
  mm.endData = main.endData;
  mm.startStack = image.sp;
  mm.argStart = image.argStart;
  mm.argEnd = image.argEnd;
  mm.envStart = image.envStart;
  mm.envEnd = image.envEnd;
  mm.auxv = image.auxv;
  mm.setExecutable(target.file);
  const old = a.creds;
  return {
    entry,
    sp: image.sp,
    name: baseName(a.filename).slice(0, TASK_COMM_LEN),
    creds,
    secureExec,
    // The ids the caller had decide, and what changes them; a set-id bit that had no effect does not.
    dumpable:
      target.dumpable &&
      old.effectiveKUID === old.realKUID &&
      old.effectiveKGID === old.realKGID &&
      !creds.changesDumpability(old),
  };
}

/** Copies bytes to the new stack. Throws EFAULT. */
function store(mm: MemoryManager, addr: number, bytes: Uint8Array, length: number): void {
  if (length > 0 && mm.copyOut(addr, bytes, 0, length) !== length) throw linuxerr.EFAULT;
}

/** The auxiliary vector up to AT_SECURE, in Linux's order. */
function baseAuxv(
  a: LoadArgs,
  main: LoadedElf,
  header: ElfHeader,
  base: number,
  creds: Credentials,
  secureExec: boolean,
): AuxvBuilder {
  const f = a.features;
  const ns = creds.userNamespace;
  const aux = new AuxvBuilder();
  if (a.platform.vdso !== null) aux.add(auxv.AT_SYSINFO_EHDR, a.platform.vdso.start);
  if (f.minSigStackSize > 0) aux.add(auxv.AT_MINSIGSTKSZ, f.minSigStackSize);
  return aux
    .addWords(auxv.AT_HWCAP, f.hwcapLo, f.hwcapHi)
    .add(auxv.AT_PAGESZ, PAGE_SIZE)
    .add(auxv.AT_CLKTCK, USER_HZ)
    .add(auxv.AT_PHDR, main.phdrAddr)
    .add(auxv.AT_PHENT, SIZEOF_PHDR)
    .add(auxv.AT_PHNUM, header.phnum)
    .add(auxv.AT_BASE, base)
    .add(auxv.AT_FLAGS, 0)
    .add(auxv.AT_ENTRY, main.entry)
    .add(auxv.AT_UID, ns.uidOrOverflow(creds.realKUID))
    .add(auxv.AT_EUID, ns.uidOrOverflow(creds.effectiveKUID))
    .add(auxv.AT_GID, ns.gidOrOverflow(creds.realKGID))
    .add(auxv.AT_EGID, ns.gidOrOverflow(creds.effectiveKGID))
    .add(auxv.AT_SECURE, secureExec ? 1 : 0);
}
