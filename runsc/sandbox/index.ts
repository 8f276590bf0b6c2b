/**
 * Package sandbox starts the confined process and stays its parent: it makes the namespaces, hands over descriptors, takes the
 * root away once the code is loaded, forwards signals and reports how the command ended. While the command runs the parent is a
 * program of two pages (waiter.ts). A sandbox belongs to the process that started it; when either dies the other goes too.
 */
export { callerLimits } from "./limits.ts";
export { reason } from "./reason.ts";
export { report, runSandbox, type SandboxArgs } from "./sandbox.ts";
