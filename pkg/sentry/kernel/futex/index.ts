/**
 * Package futex is the waiting side of futex(2): who waits on which word of memory. Words are touched only with atomic, fault-recovering
 * accesses, because guest threads change them at the same time; queues belong to the sentry's thread. Operations that find a word busy for
 * too long answer -EAGAIN.
 */
export { FutexManager } from "./futex.ts";
export { Bucket, Waiter } from "./waiter.ts";
