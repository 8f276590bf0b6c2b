/**
 * Package testutil boots a whole kernel inside a test: the real systrap platform (not confined), a tmpfs root with proc and dev, the
 * full system call table, and guests compiled from C text. What the first process prints is captured in an object of the kernel's own
 * graph, so that it survives a save and a restore.
 */
export { CaptureFile } from "./capture.ts";
export { compileGuest } from "./compile.ts";
export { GuestJob } from "./guest_job.ts";
export { LIVE_GUEST } from "./live_guest.ts";
export { CALLS_GUEST, LOAD_COUNTERS, LOAD_GUEST, stopLoadGuest } from "./load_guest.ts";
export { newTestRegistry, RestoredSandbox, saveTo } from "./restore.ts";
export { patching, TestSandbox, type TestSandboxOptions } from "./sandbox.ts";
