/** Classic BPF: instruction codes and limits. Source: include/uapi/linux/{bpf_common,filter}.h. */

// Instruction classes.
export const BPF_LD = 0x00;
export const BPF_LDX = 0x01;
export const BPF_ST = 0x02;
export const BPF_STX = 0x03;
export const BPF_ALU = 0x04;
export const BPF_JMP = 0x05;
export const BPF_RET = 0x06;
export const BPF_MISC = 0x07;

// Load sizes.
export const BPF_W = 0x00;
export const BPF_H = 0x08;
export const BPF_B = 0x10;

// Load modes.
export const BPF_IMM = 0x00;
export const BPF_ABS = 0x20;
export const BPF_IND = 0x40;
export const BPF_MEM = 0x60;
export const BPF_LEN = 0x80;
export const BPF_MSH = 0xa0;

// Arithmetic.
export const BPF_ADD = 0x00;
export const BPF_SUB = 0x10;
export const BPF_MUL = 0x20;
export const BPF_DIV = 0x30;
export const BPF_OR = 0x40;
export const BPF_AND = 0x50;
export const BPF_LSH = 0x60;
export const BPF_RSH = 0x70;
export const BPF_NEG = 0x80;
export const BPF_MOD = 0x90;
export const BPF_XOR = 0xa0;

// Jumps.
export const BPF_JA = 0x00;
export const BPF_JEQ = 0x10;
export const BPF_JGT = 0x20;
export const BPF_JGE = 0x30;
export const BPF_JSET = 0x40;

// Operand sources.
export const BPF_K = 0x00;
export const BPF_X = 0x08;
/** Return value source: the accumulator. */
export const BPF_A = 0x10;

// Register transfers.
export const BPF_TAX = 0x00;
export const BPF_TXA = 0x80;

/** Most instructions of a program. */
export const BPF_MAXINSNS = 4096;
/** Words of scratch memory. */
export const BPF_MEMWORDS = 16;
/** sizeof(struct sock_filter): u16 code, u8 jt, u8 jf, u32 k. */
export const SIZEOF_SOCK_FILTER = 8;
/** sizeof(struct sock_fprog): u16 len, padding, pointer. */
export const SIZEOF_SOCK_FPROG = 16;
/** Negative absolute loads from here reach ancillary data (not in seccomp filters). */
export const SKF_AD_OFF = -0x1000;
