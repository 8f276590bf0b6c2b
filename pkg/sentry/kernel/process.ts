import { O_RDONLY } from "../../abi/linux/file.ts";
import * as linuxerr from "../../errors/linuxerr/index.ts";
import { LinuxError } from "../../errors/linuxerr/index.ts";
import { StringBlock } from "../../hostsyscall/index.ts";
import type { LimitSet } from "../limits/index.ts";
import { loadProgram } from "../loader/index.ts";
import { MemoryManager } from "../mm/index.ts";
import { type Context, type ContextOwner, REG_EFLAGS, REG_RIP, REG_RSP } from "../platform/platform.ts";
import { type FileDescription, PathOperation, type VirtualDentry } from "../vfs/index.ts";
import { FSContext } from "./fs_context.ts";
import type { CreateProcessArgs, Kernel } from "./kernel.ts";
import { SignalHandlers } from "./signal_handlers.ts";
import { Task } from "./task.ts";
import { initialNamespaces } from "./task_namespaces.ts";
import { runApp } from "./task_run.ts";
import type { ThreadGroup } from "./thread_group.ts";

/** EFLAGS of a new program: interrupts on. */
export const EFLAGS_INITIAL = 0x202;

/** Owns a context until its task exists. */
class NoOwner implements ContextOwner {
  platformEvent(_ctx: Context): void {}
}

/** An empty address space for a program. */
export function newMemoryManager(k: Kernel, limits: LimitSet): MemoryManager {
  return new MemoryManager({ platform: k.platform, memoryFile: k.memoryFile, limits, totalMemory: k.totalMemory });
}

/** See Kernel.createProcess. */
export function createProcess(k: Kernel, a: CreateProcessArgs): ThreadGroup {
  const root = a.root ?? a.mountNamespace.root;
  const cwd = openDirectory(k, a, root);
  const { file, name } = openExecutable(k, a, root, cwd);
  const mm = newMemoryManager(k, a.limits);
  mm.userNamespace = a.credentials.userNamespace;
  try {
    const program = loadProgram({
      mm,
      vfs: k.vfs,
      platform: k.platform,
      features: k.features,
      knownInterpreter: k.knownInterpreter,
      knownHeads: k.knownHeads,
      root,
      cwd,
      creds: a.credentials,
      limits: a.limits,
      filename: name,
      file,
      argv: StringBlock.of(a.argv),
      envv: StringBlock.of(a.envv),
      noNewPrivs: a.noNewPrivs,
      unsafe: false,
      allowSUID: k.allowSUID,
      randomize: true,
      pathInaccessible: false,
      committed: false,
    });
    mm.prefault();
    const ns = a.pidNamespace ?? k.tasks.root;
    const tids = k.tasks.allocateTIDs(ns, []);
    if (tids === null || ns.exiting) throw linuxerr.EAGAIN;
    const context = mm.activate().newContext(new NoOwner());
    context.regs.words.fill(0);
    context.regs.set(REG_RIP, program.entry);
    context.regs.set(REG_RSP, program.sp);
    context.regs.set(REG_EFLAGS, EFLAGS_INITIAL);
    mm.dumpable = program.dumpable ? 1 : 0;
    const t = new Task({
      kernel: k,
      pidNamespace: ns,
      tids,
      name: program.name,
      creds: program.creds,
      mm,
      context,
      fdTable: a.fdTable,
      fsContext: new FSContext(root, cwd, a.umask),
      namespaces: initialNamespaces(k, ns, a.mountNamespace, a.utsNamespace),
      threadGroup: null,
      processGroup: null,
      signalHandlers: new SignalHandlers(),
      limits: a.limits,
    });
    t.noNewPrivs = a.noNewPrivs;
    t.runState = runApp;
    const tg = t.threadGroup;
    tg.oomScoreAdj = a.oomScoreAdj;
    tg.containerID = a.containerID;
    tg.didExec = true;
    if (ns.init === null) {
      ns.init = tg;
      tg.unkillable = true;
    }
    if (k.globalInit === null) k.globalInit = tg;
    k.schedule(t);
    return tg;
  } catch (e) {
    mm.decUsers();
    throw e;
  } finally {
    file.decRef();
  }
}

/** The working directory, which must exist and be searchable. */
function openDirectory(k: Kernel, a: CreateProcessArgs, root: VirtualDentry): VirtualDentry {
  const path = a.workingDirectory === "" ? "/" : a.workingDirectory;
  const pop = new PathOperation(root, root, path, true);
  const vd = k.vfs.getDentryAt(a.credentials, pop, { checkSearchable: true });
  if (!vd.inode.isDir()) throw linuxerr.ENOTDIR;
  return vd;
}

/** The executable and the name it was found under. */
function openExecutable(
  k: Kernel,
  a: CreateProcessArgs,
  root: VirtualDentry,
  cwd: VirtualDentry,
): { file: FileDescription; name: string } {
  if (a.file !== null) {
    a.file.incRef();
    return { file: a.file, name: a.filename };
  }
  if (a.filename.includes("/")) return { file: openPath(k, a, root, cwd, a.filename), name: a.filename };
  if (a.filename === "") throw linuxerr.ENOENT;
  let path = "";
  for (const e of a.envv) if (e.startsWith("PATH=")) path = e.slice(5);
  // As execvp(3): a candidate that may not be executed is remembered, others are tried.
  let failure: LinuxError = linuxerr.ENOENT;
  for (const dir of path.split(":")) {
    const name = dir === "" ? `./${a.filename}` : `${dir}/${a.filename}`;
    try {
      return { file: openPath(k, a, root, cwd, name), name };
    } catch (e) {
      if (!(e instanceof LinuxError)) throw e;
      if (e === linuxerr.EACCES) failure = e;
      else if (e !== linuxerr.ENOENT && e !== linuxerr.ENOTDIR) throw e;
    }
  }
  throw failure;
}

function openPath(
  k: Kernel,
  a: CreateProcessArgs,
  root: VirtualDentry,
  cwd: VirtualDentry,
  path: string,
): FileDescription {
  const pop = new PathOperation(root, cwd, path, true);
  return k.vfs.openAt(a.credentials, pop, { flags: O_RDONLY, mode: 0, fileExec: true });
}
