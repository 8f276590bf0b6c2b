/**
 * Package time is the kernel's clocks and alarms on them. Clocks are the host's own, exactly as guests read them in the host's vDSO; Timekeeper may be read
 * at any time. Alarms (ClockAlarm, CPUAlarm) sit on the kernel's one TimerQueue and call their owner from the loop; deadlines
 * everywhere are CLOCK_MONOTONIC nanoseconds as plain numbers.
 */
export { type Alarm, type AlarmOwner, baseClock, ClockAlarm } from "./clock_alarm.ts";
export { CPUAlarm, type CPUClock } from "./cpu_alarm.ts";
export { type ClockListener, Timekeeper } from "./timekeeper.ts";
export { Timer, type TimerListener, TimerQueue } from "./timer_queue.ts";
