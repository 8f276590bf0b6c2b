import * as linux from "../../abi/linux/signal.ts";
import { stateType } from "../../state/index.ts";
import * as sigset from "./signal_set.ts";

/** Words of struct kernel_sigaction: handler, flags, restorer, mask; each low, high. */
const ACTION_WORDS = linux.SIGACTION_SIZE / 4;

/** What a signal has that nobody set an action for. */
const NO_ACTION: Readonly<Uint8Array> = new Uint8Array(linux.SIGACTION_SIZE);

/** The action for one signal, in the guest's layout (struct kernel_sigaction). */
export class SignalAction {
  static readonly stateType = stateType("kernel.SignalAction", ["words"]);
  readonly words: Uint32Array = new Uint32Array(ACTION_WORDS);

  /** sa_handler: SIG_DFL, SIG_IGN or an address. */
  get handler(): number {
    return (this.words[1] ?? 0) * 4294967296 + (this.words[0] ?? 0);
  }

  set handler(h: number) {
    this.words[0] = h;
    this.words[1] = Math.floor(h / 4294967296);
  }

  /** sa_flags, low word (the high one is always zero). */
  get flags(): number {
    return this.words[2] ?? 0;
  }

  /** sa_restorer. */
  get restorer(): number {
    return (this.words[5] ?? 0) * 4294967296 + (this.words[4] ?? 0);
  }

  /** sa_mask, signals 1..32. */
  get maskLo(): number {
    return this.words[6] ?? 0;
  }

  /** sa_mask, signals 33..64. */
  get maskHi(): number {
    return this.words[7] ?? 0;
  }

  /** Whether the handler is SIG_DFL. */
  isDefault(): boolean {
    return this.words[0] === linux.SIG_DFL && this.words[1] === 0;
  }

  /** Whether the handler is SIG_IGN. */
  isIgnore(): boolean {
    return this.words[0] === linux.SIG_IGN && this.words[1] === 0;
  }

  /** Back to SIG_DFL without flags and mask. */
  reset(): void {
    this.words.fill(0);
  }

  /** The struct as bytes, a view. */
  bytes(): Uint8Array {
    return new Uint8Array(this.words.buffer, this.words.byteOffset, linux.SIGACTION_SIZE);
  }

  /** Takes what a guest passed to rt_sigaction(2): unknown flags are dropped, SIGKILL and SIGSTOP leave the mask. */
  assign(raw: Uint8Array): void {
    this.bytes().set(raw.subarray(0, linux.SIGACTION_SIZE));
    const w = this.words;
    w[2] = (w[2] ?? 0) & linux.UAPI_SA_FLAGS;
    w[3] = 0;
    w[6] = (w[6] ?? 0) & ~sigset.UNBLOCKABLE_LO;
  }
}

/** The action table of a process (Linux's sighand_struct), shared under CLONE_SIGHAND. */
export class SignalHandlers {
  static readonly stateType = stateType("kernel.SignalHandlers", ["actions", "refs"]);
  /** By signal number; index 0 is unused. Made on first use, as far as is used. */
  readonly actions: (SignalAction | null)[] = [];
  /** Thread groups sharing the table. */
  refs = 1;

  /** The action of a signal, to read or change. */
  get(sig: number): SignalAction {
    let a = this.actions[sig] ?? null;
    if (a === null) {
      a = new SignalAction();
      while (this.actions.length < sig) this.actions.push(null);
      this.actions[sig] = a;
    }
    return a;
  }

  /** The action of a signal as bytes, to read. */
  bytesOf(sig: number): Readonly<Uint8Array> {
    const a = this.actions[sig] ?? null;
    return a === null ? NO_ACTION : a.bytes();
  }

  /** Whether a signal has SIG_DFL. */
  isDefault(sig: number): boolean {
    const a = this.actions[sig] ?? null;
    return a === null || a.isDefault();
  }

  /** Whether a signal has SIG_IGN. */
  isIgnore(sig: number): boolean {
    const a = this.actions[sig] ?? null;
    return a?.isIgnore() ?? false;
  }

  /** Whether the action, explicit or by default, is to ignore the signal. */
  ignores(sig: number): boolean {
    const a = this.actions[sig] ?? null;
    if (a === null || a.isDefault()) return sigset.contains(sigset.IGNORE_LO, 0, sig);
    return a.isIgnore();
  }

  /** A copy with one reference, for fork. */
  fork(): SignalHandlers {
    const h = new SignalHandlers();
    for (let i = 1; i < this.actions.length; i++) {
      const a = this.actions[i] ?? null;
      if (a !== null) h.get(i).words.set(a.words);
    }
    return h;
  }

  /** A copy for exec: handlers become SIG_DFL, SIG_IGN stays; flags, restorer and mask are cleared. */
  copyForExec(): SignalHandlers {
    const h = new SignalHandlers();
    for (let i = 1; i < this.actions.length; i++) {
      const a = this.actions[i] ?? null;
      if (a?.isIgnore()) h.get(i).handler = linux.SIG_IGN;
    }
    return h;
  }

  /** CLONE_CLEAR_SIGHAND: every handler becomes SIG_DFL, SIG_IGN stays. */
  clearHandlers(): void {
    for (let i = 1; i < this.actions.length; i++) {
      const a = this.actions[i] ?? null;
      if (a !== null && !a.isIgnore()) this.actions[i] = null;
    }
  }
}
