/**
 * Package eventfd implements the counters of eventfd(2). An EventFileDescription is an ordinary open file; kernel code that
 * signals one holds a reference and calls add().
 */
export { EventFileDescription } from "./eventfd.ts";
