/**
 * Package time is the kernel's clocks. They are the host's own, exactly as guests read them in the host's vDSO. Timekeeper may be read
 * at any time; deadlines everywhere are CLOCK_MONOTONIC nanoseconds as plain numbers.
 */
export { type ClockListener, Timekeeper } from "./timekeeper.ts";
