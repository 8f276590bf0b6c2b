/**
 * Package native turns the project's C sources into callable functions with bun:ffi's compiler.
 *
 * C is for what JavaScript cannot do and nothing else. Sources are freestanding (no includes, raw system calls, -nostdlib), so
 * they compile on machines without libc's development files. A built executable carries them compiled, as images that only need to be
 * placed; from source they are given to the compiler as text in a memfd, which needs /proc/self/fd/N.
 * Generated code is never unloaded. The compiler (TinyCC) does not optimise and has no atomics; see the sources for its other limits.
 */
import { cc, dlopen, type FFIFunction, FFIType, linkSymbols, type Pointer, toArrayBuffer } from "bun:ffi";
import { ELF_HEADER_SIZE, putELFHeader } from "./elf.ts";

/** The C types a native function may take: `ptr` is an address as a number, a typed array, or null; `i64_fast` a number; never BigInt. */
export type NativeArg = "i32" | "i64_fast" | "ptr";

/** The C types a native function may return. An i64_fast result must stay within 2^53, else Bun makes a BigInt of it. */
export type NativeReturn = "i32" | "i64_fast" | "void";

/** The signature of a native function. */
export interface NativeSymbol {
  readonly args: readonly NativeArg[];
  readonly returns: NativeReturn;
}

/** What may be passed as a `ptr`. A typed array is passed as the address of its first element and stays alive during the call. */
export type NativePtr = number | NodeJS.TypedArray | null;

type ArgValues<A extends readonly NativeArg[]> = {
  -readonly [K in keyof A]: A[K] extends "ptr" ? NativePtr : number;
};

/** The functions of a module, typed from its symbols. */
export type NativeFunctions<S extends Record<string, NativeSymbol>> = {
  readonly [K in keyof S]: (...args: ArgValues<S[K]["args"]>) => S[K]["returns"] extends "void" ? void : number;
};

/** A piece of C: its text, the name it has in messages, and the functions to be called. */
export interface NativeModule<S extends Record<string, NativeSymbol>> {
  readonly source: string;
  readonly name: string;
  readonly symbols: S;
}

/** What a module is when compiled: where its functions are, and what keeps them there. */
export interface CompiledModule {
  readonly addresses: ReadonlyMap<string, number>;
  /** Where it begins, with instructions: a page. */
  readonly base: number;
  /** Where its instructions end, its data begins and its data ends. Constants lie between the first two; the compiler's table of addresses
   * may follow the last. */
  readonly bounds: readonly [text: number, data: number, end: number];
  readonly library: unknown;
}

/** A compiled module in a form that can be placed at any address. Made by tools/native_image.ts. */
export interface NativeImage {
  /** The bytes, in base64, as they are at address 0. */
  readonly bytes: string;
  /** How many of the first bytes are instructions: whole pages. */
  readonly textSize: number;
  /** Offsets of the 64-bit words that hold an address inside the image. */
  readonly relocations: readonly number[];
  /** Offset of each function. */
  readonly offsets: Readonly<Record<string, number>>;
}

/** The modules of a built executable by name, put in by tools/build.ts; from source there is no such thing. */
declare const NATIVE_IMAGES: Readonly<Record<string, NativeImage>> | undefined;

const PAGE = 4096;
/** Where programs of our own lie. */
const PROGRAM_BASE = 0x400000;
const MFD_CLOEXEC = 1;
const PROT_READ_WRITE = 1 | 2;
const PROT_READ_EXEC = 1 | 4;
const MAP_PRIVATE_ANONYMOUS = 0x2 | 0x20;

const compileSymbols = {
  memfd_create: { args: ["ptr", "i32"], returns: "i32" },
  write: { args: ["i32", "ptr", "u64"], returns: "i32" },
  close: { args: ["i32"], returns: "i32" },
  setenv: { args: ["ptr", "ptr", "i32"], returns: "i32" },
  unsetenv: { args: ["ptr"], returns: "i32" },
} as const satisfies Record<string, FFIFunction>;

const placeSymbols = {
  mmap: { args: ["ptr", "u64", "i32", "i32", "i32", "u64"], returns: FFIType.i64_fast },
  memcpy: { args: [FFIType.i64_fast, "ptr", "u64"], returns: FFIType.i64_fast },
  mprotect: { args: [FFIType.i64_fast, "u64", "i32"], returns: "i32" },
} as const satisfies Record<string, FFIFunction>;

const ffiTypes = {
  i32: FFIType.i32,
  i64_fast: FFIType.i64_fast,
  ptr: FFIType.ptr,
  void: FFIType.void,
} as const;

function cString(s: string): Uint8Array {
  return new TextEncoder().encode(`${s}\0`);
}

/**
 * Compiles C text and answers where the named functions are. Costs 2-5 ms. Throws Error with the compiler's message when the text does
 * not compile: that is a bug of the build, not of a container.
 */
export function compileNative(source: string, name: string, names: readonly string[]): CompiledModule {
  // One exported C function hands out the addresses: calls through linkSymbols are several times cheaper than through cc's own wrappers.
  const table = names.map((n) => `(void *)&${n}`).join(", ");
  const text = new TextEncoder().encode(
    // For images: where our text begins (the compiler's own lies before it), data begins on a page of its own, with an address.
    `__asm__(".data\\n.balign 4096\\nnative_data: .quad native_data\\n.text\\nnative_text:\\n");\n#line 1 "${name}"\n${source}\n` +
      `long runsc_native_symbol(int i) {\n  static void *table[] = {${table}};\n  long v;\n` +
      ["_etext", "native_data", "_end", "native_text"]
        .map((s, k) => `  if (i == ${-1 - k}) { __asm__("lea ${s}(%%rip), %0" : "=r"(v)); return v; }\n`)
        .join("") +
      `  return (long)table[i];\n}\n`,
  );
  const libc = dlopen("libc.so.6", compileSymbols);
  const fd = libc.symbols.memfd_create(cString(name), MFD_CLOEXEC);
  if (fd < 0) {
    throw new Error(`native ${name}: memfd_create failed`);
  }
  try {
    let done = 0;
    while (done < text.length) {
      const n = libc.symbols.write(fd, text.subarray(done), text.length - done);
      if (n <= 0) {
        throw new Error(`native ${name}: writing the memfd failed`);
      }
      done += n;
    }
    // Bun writes the compiler's headers below its temporary directory, which others may share. We need none: point it at nothing.
    // Bun reads the C environment for this, not process.env.
    const dirKey = cString("BUN_TMPDIR");
    const dirBefore = process.env["BUN_TMPDIR"];
    libc.symbols.setenv(dirKey, cString("/dev/null/none"), 1);
    try {
      const library = cc({
        source: `/proc/self/fd/${fd}`,
        flags: ["-nostdlib"],
        symbols: { runsc_native_symbol: { args: [FFIType.i32], returns: FFIType.i64_fast } },
      });
      const symbol = (i: number): number => Number(library.symbols.runsc_native_symbol(i));
      return {
        addresses: new Map(names.map((n, i) => [n, symbol(i)])),
        base: Math.floor(symbol(-4) / PAGE) * PAGE,
        bounds: [symbol(-1), symbol(-2), symbol(-3)],
        library,
      };
    } finally {
      if (dirBefore === undefined) {
        libc.symbols.unsetenv(dirKey);
      } else {
        libc.symbols.setenv(dirKey, cString(dirBefore), 1);
      }
    }
  } finally {
    libc.symbols.close(fd);
  }
}

/** Puts an image into memory of its own; its instructions cannot be written to afterwards. Throws when there is no memory. */
export function placeImage(image: NativeImage): CompiledModule {
  const libc = dlopen("libc.so.6", placeSymbols);
  const bytes = Buffer.from(image.bytes, "base64");
  const base = Number(libc.symbols.mmap(null, bytes.length, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0));
  if (base < 0) throw new Error("native: mmap failed");
  for (const at of image.relocations) {
    const v = base + bytes.readUInt32LE(at);
    bytes.writeUInt32LE(v % 0x1_0000_0000, at);
    bytes.writeUInt32LE(Math.floor(v / 0x1_0000_0000), at + 4);
  }
  libc.symbols.memcpy(base, bytes, bytes.length);
  if (libc.symbols.mprotect(base, image.textSize, PROT_READ_EXEC) !== 0) throw new Error("native: mprotect failed");
  const addresses = new Map(Object.entries(image.offsets).map(([n, at]) => [n, base + at]));
  return {
    addresses,
    base,
    bounds: [base + image.textSize, base + image.textSize, base + bytes.length],
    library: null,
  };
}

/** A module's image in the executable; null from source. */
function imageOf(name: string): NativeImage | null {
  return typeof NATIVE_IMAGES === "undefined" ? null : (NATIVE_IMAGES[name] ?? null);
}

/**
 * A module as a program of its own: an ELF file of one segment that begins at the function `entry` and can be executed from any descriptor. It
 * has the module's instructions and constants, none of its variables.
 */
export function nativeProgram(
  module: NativeModule<Record<string, NativeSymbol>>,
  entry: string,
): Uint8Array<ArrayBuffer> {
  const image = imageOf(module.name);
  let text: Uint8Array;
  let at: number | undefined;
  if (image !== null) {
    text = Buffer.from(image.bytes, "base64").subarray(0, image.textSize);
    at = image.offsets[entry];
  } else {
    const compiled = compileNative(module.source, module.name, Object.keys(module.symbols));
    const { base } = compiled;
    text = new Uint8Array(toArrayBuffer(base as Pointer, 0, compiled.bounds[1] - base));
    at = (compiled.addresses.get(entry) ?? base) - base;
  }
  if (at === undefined) throw new Error(`native ${module.name}: no function ${entry}`);
  const program = new Uint8Array(new ArrayBuffer(ELF_HEADER_SIZE + text.length));
  program.set(text, ELF_HEADER_SIZE);
  putELFHeader(program, PROGRAM_BASE, ELF_HEADER_SIZE + at);
  return program;
}

/**
 * Makes a module's functions callable: places its image where the executable has one (well under a millisecond), else compiles it. A
 * call costs 8-12 ns.
 */
export function loadNative<const S extends Record<string, NativeSymbol>>(module: NativeModule<S>): NativeFunctions<S> {
  const names = Object.keys(module.symbols);
  const image = imageOf(module.name);
  const compiled = image === null ? compileNative(module.source, module.name, names) : placeImage(image);
  const typed: Record<string, FFIFunction> = {};
  for (const n of names) {
    const s = module.symbols[n];
    const address = compiled.addresses.get(n);
    if (s === undefined || address === undefined) throw new Error(`native ${module.name}: no function ${n}`);
    typed[n] = {
      args: s.args.map((a) => ffiTypes[a]),
      returns: ffiTypes[s.returns],
      ptr: address as NonNullable<FFIFunction["ptr"]>,
    };
  }
  const linked = linkSymbols(typed);
  // The functions live as long as the library object does: tie the two together.
  Object.defineProperty(linked.symbols, "library", { value: [compiled.library, linked], enumerable: false });
  return linked.symbols as unknown as NativeFunctions<S>;
}

/**
 * A buffer that native code may keep the address of: backed by an ArrayBuffer of its own from the start, so that the
 * collector never moves its bytes (small typed arrays do move when someone asks for their `.buffer`).
 */
export function pinnedBytes(length: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new ArrayBuffer(length));
}
