/**
 * Package anonfs gives open files without a place in any filesystem (eventfd, epoll, timerfd, signalfd, pidfd) the inode they
 * need: "anon_inode:[eventfd]". One instance per kernel; nothing here changes after start-up but the table of names.
 */
export { AnonFS, AnonInode } from "./anonfs.ts";
