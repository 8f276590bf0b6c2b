/**
 * Package log writes lines to a host descriptor: who did what, and the errno when it failed.
 *
 * A Logger is an object that its user is given; there is no global one. Lines are plain ASCII: everything else, above all what a guest
 * chose (names, paths), is escaped, so that no message can forge another line. A line that cannot be written is dropped: logging never blocks
 * or fails its caller, provided the descriptor is a file or non-blocking. Check `debugOn` before building a debug message on a hot path.
 */
export { DEBUG, INFO, type Level, type LogFormat, Logger, parseLevel, WARNING } from "./logger.ts";
export { RateLimiter } from "./rate_limit.ts";
