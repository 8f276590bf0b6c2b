/**
 * Package iopool makes host calls that wait for a disk on threads of their own (native/io_pool.c), so that the kernel's thread goes on serving
 * other tasks. A call is an IOJob with a waiter queue; its end is told by an event counter among the descriptors the loop watches. Start the pool
 * after the sentry has dropped its privileges and before the seccomp filter, which then holds for its threads too. One per sentry.
 */
export { IOJob, IOPool, type IOResource } from "./io_pool.ts";
