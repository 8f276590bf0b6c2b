/**
 * Package linux holds the Linux ABI of x86-64: numbers, flags, structure sizes and offsets, spelled as in the kernel's uapi headers.
 * Pure data, one file an area; imports nothing. Import the area you need (`linux/errno.ts`), as names of different areas may clash.
 */
export * as errno from "./errno.ts";
export * as syscalls from "./syscalls.ts";
