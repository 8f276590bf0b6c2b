/** ELF64 as the kernel's loader reads it (include/uapi/linux/elf.h, elf-em.h). */

/** "\x7fELF" as a little-endian word. */
export const ELF_MAGIC = 0x464c457f;
export const EI_CLASS = 4;
export const EI_DATA = 5;
export const ELFCLASS64 = 2;
export const ELFDATA2LSB = 1;
export const ET_EXEC = 2;
export const ET_DYN = 3;
export const EM_X86_64 = 62;

/** sizeof(Elf64_Ehdr) and offsets of its fields. */
export const SIZEOF_EHDR = 64;
export const E_TYPE = 16;
export const E_MACHINE = 18;
export const E_VERSION = 20;
export const E_ENTRY = 24;
export const E_PHOFF = 32;
export const E_PHENTSIZE = 54;
export const E_PHNUM = 56;

/** sizeof(Elf64_Phdr) and offsets of its fields. */
export const SIZEOF_PHDR = 56;
export const P_TYPE = 0;
export const P_FLAGS = 4;
export const P_OFFSET = 8;
export const P_VADDR = 16;
export const P_PADDR = 24;
export const P_FILESZ = 32;
export const P_MEMSZ = 40;
export const P_ALIGN = 48;

export const PT_NULL = 0;
export const PT_LOAD = 1;
export const PT_DYNAMIC = 2;
export const PT_INTERP = 3;
export const PT_NOTE = 4;
export const PT_PHDR = 6;
export const PT_TLS = 7;
export const PT_GNU_STACK = 0x6474e551;
export const PT_GNU_PROPERTY = 0x6474e553;

export const PF_X = 1;
export const PF_W = 2;
export const PF_R = 4;

/** Longest path of a program interpreter, with its NUL. */
export const ELF_INTERP_MAX = 4096;
/** The loader reads at most this many bytes of program headers. */
export const ELF_MAX_PHDRS_SIZE = 65536;
/** Bytes of a program read to find out what it is. */
export const BINPRM_BUF_SIZE = 256;
/** Longest single argument or environment string, with its NUL. */
export const MAX_ARG_STRLEN = 131072;
/** Most argument or environment strings. */
export const MAX_ARG_STRINGS = 0x7fffffff;
