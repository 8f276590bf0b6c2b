/**
 * Package linux is the system calls of x86-64 Linux, a function each, and the table of them. A function is called by the kernel for the task
 * whose context stopped; it may use that task and what is reachable from it until it returns or yields. What it cannot do at once it
 * continues as a generator: it then holds references of its own on files, and looks everything else up again.
 */
export { syscallTable } from "./table.ts";
