/** Numbers of classic BPF and seccomp (include/uapi/linux/{bpf_common,filter,seccomp,audit}.h). */
export const BPF_LD_W_ABS = 0x20;
export const BPF_ALU_AND_K = 0x54;
export const BPF_JA = 0x05;
export const BPF_JEQ = 0x15;
export const BPF_JGE = 0x35;
export const BPF_RET = 0x06;
export const SECCOMP_RET_KILL_PROCESS = 0x80000000;
export const SECCOMP_RET_ERRNO = 0x00050000;
export const SECCOMP_RET_ALLOW = 0x7fff0000;
export const SECCOMP_SET_MODE_FILTER = 1;
export const SECCOMP_FILTER_FLAG_TSYNC = 1;
export const AUDIT_ARCH_X86_64 = 0xc000003e;
