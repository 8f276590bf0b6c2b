/**
 * Package pipefs is pipe(7): anonymous pipes, and what is behind the FIFOs of all filesystems. Data waits in the sentry's heap, copied
 * once in and once out. Nothing here blocks: reads and writes that would return -EAGAIN and notify the pipe's queue.
 */
export { DEFAULT_PIPE_SIZE, MAX_PIPE_SIZE, Pipe, PipeAccounting } from "./pipe.ts";
export { PipeFileDescription } from "./pipe_fd.ts";
export { newPipe, PipeFS, PipeInode } from "./pipefs.ts";
