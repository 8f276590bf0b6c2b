/**
 * Package timerfd implements the timers of timerfd_create(2). A TimerFileDescription is an ordinary open file; its alarm sits on the
 * kernel's timer queue while armed.
 */
export { TimerFileDescription } from "./timerfd.ts";
