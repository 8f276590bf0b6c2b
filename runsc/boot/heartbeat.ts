import type { Heartbeat } from "../../pkg/sentry/kernel/index.ts";
import type { Watchdog } from "../../pkg/sentry/watchdog/index.ts";
import { stateType } from "../../pkg/state/index.ts";

/** Tells the watchdog thread what the kernel's loop does. */
export class WatchdogHeartbeat implements Heartbeat {
  static readonly stateType = stateType("boot.WatchdogHeartbeat", [], ["watchdog"]);
  readonly watchdog: Watchdog;

  constructor(watchdog: Watchdog) {
    this.watchdog = watchdog;
  }

  beat(): void {
    this.watchdog.wake();
  }

  idle(): void {
    this.watchdog.sleep();
  }
}
