import { stateType } from "../../../state/index.ts";
import type { Subprocess } from "./subprocess.ts";
import type { SystrapPlatform } from "./systrap.ts";

/** Notifications in a row, with no descriptor ready between them, after which waiting for notifications alone is worth a bell. */
const STREAK = 64;
/** After how long (ms) it rings although nothing happened. Who waits for longer than what is left of that can do so by the bell. */
const RING_MS = 100;

/** So long (ms) after its time poll(2) is used again: it may have died, which poll(2) tells of. */
const LATE_MS = 100;
/** Waits without end between two looks at the clock. */
const LOOK_WAITS = 64;

/**
 * Lets the sentry wait for notifications alone, without poll(2), which costs a fifth of a notified call: a stub process of its own waits for the sentry's other
 * descriptors and, when one is ready or a time is up, makes a notified call itself. It is made when notifications have come in a row, and waits for one ring at a time.
 */
export class Bell {
  static readonly stateType = stateType(
    "systrap.Bell",
    [],
    ["platform", "stub", "isMissing", "isSet", "isLate", "rings", "waits", "streak"],
  );
  readonly platform: SystrapPlatform;
  /** The process that rings; null: none yet, or there could be none. */
  stub: Subprocess | null = null;
  isMissing = false;
  /** It will ring, at the latest at `rings` (performance.now), or is late. */
  isSet = false;
  isLate = false;
  rings = 0;
  /** Waits since the last look at the clock. */
  waits = 0;
  streak = 0;

  constructor(platform: SystrapPlatform) {
    this.platform = platform;
  }

  /** Whether it can be relied on to ring. */
  get isDue(): boolean {
    return this.isSet && !this.isLate;
  }

  /** Whether a wait of this many ns (negative: for ever) may be one for notifications alone. */
  covers(timeout: number): boolean {
    if (!this.isDue) return false;
    this.waits++;
    if (timeout < 0 && this.waits < LOOK_WAITS) return true;
    this.waits = 0;
    const now = performance.now();
    this.isLate = now > this.rings + LATE_MS;
    return !this.isLate && (timeout < 0 || now + timeout / 1e6 >= this.rings);
  }

  /** poll(2) brought a notification, and no descriptor was ready. */
  notified(): void {
    this.streak++;
    if (this.streak >= STREAK && !this.isSet) this.set();
  }

  /** A descriptor was ready: more of them may follow, which poll(2) tells of faster. */
  ready(): void {
    this.streak = 0;
  }

  /** Has it wait for a ring. */
  set(): void {
    this.streak = 0;
    if (this.isMissing) return;
    this.stub ??= this.platform.newBell();
    this.isMissing = this.stub === null || this.stub.dead;
    if (this.isMissing) return;
    this.isSet = true;
    this.isLate = false;
    this.rings = performance.now() + RING_MS;
    this.stub?.awaitEvents(RING_MS);
  }

  /** Takes a notification of a thread that is no guest's; false when it is not a ring. */
  rang(notif: Uint32Array): boolean {
    if (this.stub?.isReport(notif) !== true) return false;
    this.stub.reported(notif);
    this.isSet = false;
    return true;
  }
}
