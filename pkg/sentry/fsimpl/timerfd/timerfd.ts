import * as errno from "../../../abi/linux/errno.ts";
import { O_NONBLOCK, O_RDWR } from "../../../abi/linux/file.ts";
import { CLOCK_REALTIME, CLOCK_REALTIME_ALARM, NSEC_PER_SEC } from "../../../abi/linux/time.ts";
import * as linuxerr from "../../../errors/linuxerr/index.ts";
import { stateType } from "../../../state/index.ts";
import { type Entry, EventIn, Queue } from "../../../waiter/index.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { type AlarmOwner, baseClock, ClockAlarm, type ClockListener } from "../../time/index.ts";
import type { IOSequence } from "../../usermem/index.ts";
import { FileDescription, type VirtualDentry } from "../../vfs/index.ts";

/** timerfd_create(2): a timer whose expirations are read as a number. After the first it rests until it is read. */
export class TimerFileDescription extends FileDescription implements AlarmOwner, ClockListener {
  static override readonly stateType = stateType("timerfd.TimerFileDescription", [
    "kernel",
    "clock",
    "alarm",
    "ticks",
    "expired",
    "queue",
    "cancelOnSet",
    "canceled",
    "intervalSec",
    "intervalNsec",
    "setFlags",
  ]);
  readonly kernel: Kernel;
  /** CLOCK_* as given. */
  readonly clock: number;
  readonly alarm: ClockAlarm;
  /** Expirations not read yet, but for those passed since the alarm went off. */
  ticks = 0;
  /** The alarm went off since the last read. */
  expired = false;
  readonly queue: Queue = new Queue();
  /** TFD_TIMER_CANCEL_ON_SET is in force. */
  cancelOnSet = false;
  /** The clock was set meanwhile: the next read says ECANCELED. */
  canceled = false;
  intervalSec = 0;
  intervalNsec = 0;
  /** TFD_TIMER_* of the last settime, for fdinfo. */
  setFlags = 0;

  /** `flags`: O_NONBLOCK or 0. */
  constructor(kernel: Kernel, vd: VirtualDentry, clock: number, flags: number) {
    super(vd, O_RDWR | (flags & O_NONBLOCK));
    this.kernel = kernel;
    this.clock = clock;
    this.alarm = new ClockAlarm(kernel.timers, kernel.timekeeper, baseClock(clock), this);
  }

  /** timerfd_settime(2) with valid times. A value of zero disarms. */
  set(absolute: boolean, cancelOnSet: boolean, sec: number, nsec: number, iSec: number, iNsec: number): void {
    this.alarm.disarm();
    this.ticks = 0;
    this.expired = false;
    this.setCancel(cancelOnSet && absolute && (this.clock === CLOCK_REALTIME || this.clock === CLOCK_REALTIME_ALARM));
    this.setFlags = (absolute ? 1 : 0) | (cancelOnSet ? 2 : 0);
    this.intervalSec = iSec;
    this.intervalNsec = iNsec;
    if (sec !== 0 || nsec !== 0) this.alarm.arm(absolute, sec, nsec, iSec * NSEC_PER_SEC + iNsec, false);
  }

  /** Starts or stops to listen for jumps of the clock. */
  setCancel(on: boolean): void {
    this.canceled = false;
    if (on === this.cancelOnSet) return;
    this.cancelOnSet = on;
    if (on) this.kernel.timekeeper.listeners.add(this);
    else this.kernel.timekeeper.listeners.delete(this);
  }

  /** Nanoseconds to the next expiration, 0 when disarmed. A periodic timer that went off is moved on. */
  remaining(): number {
    if (this.expired && this.alarm.interval > 0) {
      this.expired = false;
      this.ticks += this.alarm.forward(0) - 1;
    }
    const left = this.alarm.remaining();
    return left === Number.POSITIVE_INFINITY ? 0 : Math.max(left, 0);
  }

  alarmExpired(): void {
    this.expired = true;
    this.ticks++;
    this.queue.notify(EventIn);
  }

  clockWasSet(): void {
    this.canceled = true;
    this.queue.notify(EventIn);
  }

  override read(dst: IOSequence): number {
    if (dst.numBytes() < 8) throw linuxerr.EINVAL;
    if (this.canceled) {
      this.canceled = false;
      this.ticks = 0;
      this.expired = false;
      throw linuxerr.ECANCELED;
    }
    if (this.ticks === 0) return -errno.EAGAIN;
    if (this.expired && this.alarm.interval > 0) this.ticks += Math.max(this.alarm.forward(0) - 1, 0);
    const n = this.ticks;
    this.expired = false;
    this.ticks = 0;
    const words = new Uint32Array([n, Math.floor(n / 4294967296)]);
    if (dst.copyOut(new Uint8Array(words.buffer), 0, 8) !== 8) throw linuxerr.EFAULT;
    return 8;
  }

  override canPoll(): boolean {
    return true;
  }

  override readiness(mask: number): number {
    return this.ticks > 0 || this.canceled ? mask & EventIn : 0;
  }

  override eventRegister(e: Entry): void {
    this.queue.eventRegister(e);
  }

  override eventUnregister(e: Entry): void {
    this.queue.eventUnregister(e);
  }

  /** noop_llseek: any seek succeeds and changes nothing. */
  override seek(_offset: number, _whence: number): number {
    return 0;
  }

  override fdInfo(): string {
    const left = this.remaining();
    const value = `(${Math.floor(left / NSEC_PER_SEC)}, ${Math.floor(left % NSEC_PER_SEC)})`;
    return (
      `clockid: ${this.clock}\nticks: ${this.ticks}\nsettime flags: 0${this.setFlags.toString(8)}\n` +
      `it_value: ${value}\nit_interval: (${this.intervalSec}, ${this.intervalNsec})\n`
    );
  }

  override release(): void {
    this.alarm.disarm();
    this.setCancel(false);
    super.release();
  }
}
