import { EINTR } from "../../pkg/abi/linux/errno.ts";
import { F_SETFL, O_NONBLOCK } from "../../pkg/abi/linux/file.ts";
import * as host from "../../pkg/hostsyscall/index.ts";
import { SignalInfo } from "../../pkg/sentry/arch/index.ts";
import type { Kernel } from "../../pkg/sentry/kernel/index.ts";
import type { FDListener } from "../../pkg/sentry/platform/platform.ts";
import { stateType } from "../../pkg/state/index.ts";
import { FD, GROUP } from "./spec.ts";

const SIGNAL_MAX = 64;

/** Hands signals that the parent sends to the first process. */
export class ControlListener implements FDListener {
  static readonly stateType = stateType("boot.ControlListener", [], ["kernel", "buffer"]);
  readonly kernel: Kernel;
  readonly buffer: Uint8Array = new Uint8Array(64);

  constructor(kernel: Kernel) {
    this.kernel = kernel;
  }

  /** Begins to listen; delivers what came earlier. */
  start(early: readonly number[]): void {
    for (const byte of early) this.deliver(byte);
    host.fcntl(FD.control, F_SETFL, O_NONBLOCK);
    this.kernel.platform.watchFD(FD.control, 1, this);
    this.fdReady(FD.control, 1);
  }

  fdReady(fd: number, _mask: number): void {
    for (;;) {
      const n = host.read(fd, this.buffer);
      if (n === -EINTR) continue;
      // The end of the pipe means that the parent died; then this process is about to be killed.
      if (n <= 0) return;
      for (let i = 0; i < n; i++) this.deliver(this.buffer[i] ?? 0);
    }
  }

  /** One control byte. */
  deliver(byte: number): void {
    const sig = byte & ~GROUP;
    const init = this.kernel.globalInit;
    if (init === null || sig < 1 || sig > SIGNAL_MAX) return;
    const info = SignalInfo.kernel(sig);
    if ((byte & GROUP) !== 0) (init.tty?.foreground ?? init.processGroup).sendSignal(info);
    else init.sendExternalSignal(info);
  }
}
