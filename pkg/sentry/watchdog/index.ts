/**
 * Package watchdog ends a sandbox whose kernel loop hangs. A native thread looks at a heartbeat that the loop moves; when the
 * loop neither moves it nor says that it sleeps, the thread logs the system call being served and ends the process. Start it after the
 * sentry has dropped its privileges (the thread keeps those it is born with) and before the seccomp filter. One per sentry.
 */
export { Watchdog, type WatchdogOptions } from "./watchdog.ts";
