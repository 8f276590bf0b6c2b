/** What uname(2) and /proc/version say that this is. */
export const KERNEL_SYSNAME = "Linux";
export const KERNEL_RELEASE = "6.12.0-runsc";
export const KERNEL_VERSION = "#1 SMP PREEMPT_DYNAMIC Sun Nov 17 22:15:08 UTC 2024";
export const KERNEL_MACHINE = "x86_64";
