/**
 * Package platform runs guest code: contexts (a guest thread's registers), address spaces, the switch to the guest and events back.
 * The interfaces are what the kernel and mm see; each platform is a package below. All objects belong to the sentry's one thread;
 * guest threads run in parallel between events.
 */
export * from "./platform.ts";
