/**
 * Package systrap runs guests in stub processes. Each guest thread is a host thread whose system calls seccomp brings to the
 * sentry, as notifications (most) or signals (those that need registers); faults are signals too. All objects belong to the
 * sentry's one thread. Shared with guests are only the slots: what is read there is copied once and checked.
 */
export { loadSystrapNative } from "./native.ts";
export { type PlatformLog, SystrapPlatform } from "./systrap.ts";
