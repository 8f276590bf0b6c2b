import { decode, StateError, setFields, type TypeRegistry } from "../../state/index.ts";
import type { MemoryFile } from "../pgalloc/index.ts";
import {
  type Context,
  type ContextOwner,
  EventDied,
  type EventKind,
  type HostUsage,
  type Platform,
  REG_COUNT,
  type Registers,
} from "../platform/platform.ts";
import type { Kernel, KernelLog, SyscallEntry } from "./kernel.ts";
import { EXTERNAL_PLATFORM, type SavedContext, SavedKernel } from "./save.ts";
import { SyscallArguments } from "./syscalls.ts";
import { type Task, TaskExitZombie } from "./task.ts";

/** What a restored kernel gets from the world it is restored into. */
export interface RestoreArgs {
  readonly platform: Platform;
  /** What `platform` was made with. Its file becomes that of the kernel; the pages may be loaded before or after. */
  readonly memoryFile: MemoryFile;
  readonly syscallTable: readonly (SyscallEntry | undefined)[];
  readonly log: KernelLog;
}

/** Registers of nobody. */
class NoRegisters implements Registers {
  readonly words: Uint32Array = new Uint32Array(REG_COUNT * 2);

  get(): number {
    return 0;
  }

  set(): void {}
}

/** Stands in for the context of a task that has none any more: it exited, or its host thread was gone when the kernel was saved. */
class GoneContext implements Context {
  owner: ContextOwner;
  readonly event: EventKind = EventDied;
  readonly stopped = false;
  readonly hostTID = 0;
  readonly sysno = -1;
  readonly args: Uint32Array = new Uint32Array(12);
  readonly syscallIP = 0;
  readonly faultSignal = 0;
  readonly faultCode = 0;
  readonly faultAddr = 0;
  readonly faultTrapno = 0;
  readonly faultError = 0;
  readonly regs: Registers = new NoRegisters();

  constructor(owner: ContextOwner) {
    this.owner = owner;
  }

  readUsage(out: HostUsage): boolean {
    out.clear();
    return false;
  }

  fpStateSize(): number {
    return 0;
  }

  setFPState(): boolean {
    return false;
  }

  finishSyscall(): void {}
  resume(): void {}
  interrupt(): void {}
  setAffinity(): void {}
  getFPState(): void {}
  resetFPState(): void {}
  release(): void {}
}

/** Throws unless programs find the vDSO that they know. */
function checkVdso(saved: SavedKernel, platform: Platform): void {
  const a = saved.vdso;
  const b = platform.vdso;
  if (a === null && b === null) return;
  if (a !== null && b !== null && a.vvarStart === b.vvarStart && a.start === b.start && a.end === b.end) {
    if (a.checksum === b.checksum) return;
  }
  throw new StateError("kernel: the image was made on a host with another vDSO (another version of Linux)");
}

/** Gives a task a context. */
function attach(t: Task, ctx: Context): void {
  t.context = ctx;
  t.args = new SyscallArguments(ctx.args);
  ctx.owner = t;
}

/** A thread for a task, with the registers it had. */
function restoreContext(t: Task, saved: SavedContext): void {
  const ctx = t.mm.activate().newContext(t);
  attach(t, ctx);
  if (saved.words.length !== ctx.regs.words.length) throw new StateError("kernel: the image has other registers");
  for (let i = 0; i < saved.words.length; i++) ctx.regs.words[i] = saved.words[i] ?? 0;
  if (!ctx.setFPState(saved.fpState)) {
    throw new StateError("kernel: the image was made on a processor with another floating-point state");
  }
  ctx.setAffinity(t.affinity);
  t.cpu.attach(ctx, t.kernel.accounting.hostUsage);
}

/**
 * Makes a kernel from an image that saveKernel wrote. In this order: the graph with its saved fields; the hooks of its objects; what belongs
 * to the host (platform, memory file, clocks); address spaces and contexts; deadlines on clocks that can be set; every task is scheduled. The
 * kernel is paused: unpause() when its memory is there. Throws StateError when the image does not fit.
 */
export function restoreKernel(image: Uint8Array, registry: TypeRegistry, args: RestoreArgs): Kernel {
  const { platform, memoryFile, syscallTable, log } = args;
  const decoded = decode(image, registry, new Map<string, object>([[EXTERNAL_PLATFORM, platform]]));
  const saved = decoded.root;
  if (!(saved instanceof SavedKernel)) throw new StateError("kernel: the image is not one of a kernel");
  checkVdso(saved, platform);
  const k = saved.kernel;
  decoded.afterLoad({ monotonicShift: k.monotonicNow() - saved.monotonicNs });
  setFields<Kernel>(k, { platform, syscallTable, log });
  k.memoryFile.adopt(memoryFile);
  platform.work = k;
  k.timekeeper.watchClockChanges(platform);
  for (const t of k.tasks.all) {
    const ctx = saved.contexts.get(t);
    if (ctx === undefined) attach(t, new GoneContext(t));
    else restoreContext(t, ctx);
  }
  decoded.verify();
  // As far as programs can tell the clock jumped.
  for (const l of [...k.timekeeper.listeners]) l.clockWasSet();
  for (const t of k.tasks.all) if (t.exitState < TaskExitZombie) k.schedule(t);
  return k;
}
