/**
 * Package semaphore is System V semaphores (semget(2)): sets of counters, tasks that wait for a group of operations to be possible at once, and
 * what is undone when a process exits.
 */
export { SemaphoreRegistry } from "./registry.ts";
export { SEM_BLOCKED, SemaphoreSet, SemaphoreWaiter } from "./set.ts";
export { exitSemaphores, SemaphoreUndo, SemaphoreUndoList, undoListOf } from "./undo.ts";
