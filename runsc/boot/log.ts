import { DEBUG, INFO, Logger } from "../../pkg/log/index.ts";
import type { KernelLog } from "../../pkg/sentry/kernel/index.ts";
import type { StraceSink } from "../../pkg/sentry/strace/index.ts";
import { stateType } from "../../pkg/state/index.ts";

/** The log of a sandbox as the kernel and the platform take it. */
export class SandboxLog implements KernelLog, StraceSink {
  static readonly stateType = stateType("boot.SandboxLog", [], ["logger"]);
  readonly logger: Logger;

  /** Writes to `fd`; with `debug` everything, else what an operator should know. */
  constructor(fd: number, debug: boolean) {
    this.logger = new Logger(fd, debug ? DEBUG : INFO);
  }

  debug(message: string): void {
    this.logger.debug("kernel", message);
  }

  info(message: string): void {
    this.logger.info("kernel", message);
  }

  warning(message: string): void {
    this.logger.warning("kernel", message);
  }

  /** A line of pkg/sentry/strace; shown at every level. */
  strace(line: string): void {
    this.logger.info("strace", line);
  }
}
