/**
 * Package ipc is what the three kinds of System V IPC share: permissions, and the tables that find objects by key and by id (ipc/util.c of
 * Linux). Everything belongs to the sentry's thread and hangs off an IPCNamespace.
 */
export { IPCObject } from "./object.ts";
export { Registry } from "./registry.ts";
export { IPCUsage } from "./usage.ts";
