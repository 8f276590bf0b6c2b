/**
 * Package native turns the project's C sources into callable functions with bun:ffi's compiler.
 *
 * C is for what JavaScript cannot do and nothing else. Sources are freestanding (no includes, raw system calls, -nostdlib), so
 * they compile on machines without libc's development files, and are given to the compiler as text in a memfd, so
 * that a compiled executable can carry them. Compile before the root is pivoted: the compiler opens /proc/self/fd/N.
 * Generated code is never unloaded. The compiler (TinyCC) does not optimise and has no atomics; see the sources for its other limits.
 */
import { cc, dlopen, type FFIFunction, FFIType, linkSymbols } from "bun:ffi";

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

const MFD_CLOEXEC = 1;

const libcSymbols = {
  memfd_create: { args: ["ptr", "i32"], returns: "i32" },
  write: { args: ["i32", "ptr", "u64"], returns: "i32" },
  close: { args: ["i32"], returns: "i32" },
  setenv: { args: ["ptr", "ptr", "i32"], returns: "i32" },
  unsetenv: { args: ["ptr"], returns: "i32" },
} as const satisfies Record<string, FFIFunction>;

const ffiTypes = {
  i32: FFIType.i32,
  i64_fast: FFIType.i64_fast,
  ptr: FFIType.ptr,
  void: FFIType.void,
} as const;

const encoder = new TextEncoder();

function cString(s: string): Uint8Array {
  return encoder.encode(`${s}\0`);
}

/**
 * Compiles C text and returns its functions. `name` names the memfd in error messages and /proc; `symbols` lists the functions
 * with their types. Throws Error with the compiler's message when the text does not compile: that is a bug of the build, not of a
 * container. Costs 2-5 ms once; a call costs 8-12 ns.
 */
export function loadNative<const S extends Record<string, NativeSymbol>>(
  sourceText: string,
  name: string,
  symbols: S,
): NativeFunctions<S> {
  const names = Object.keys(symbols);
  // One exported C function hands out the addresses: calls through linkSymbols are several times cheaper than through cc's own wrappers.
  const table = names.map((n) => `(void *)&${n}`).join(", ");
  const text = encoder.encode(
    `#line 1 "${name}"\n${sourceText}\n` +
      `long runsc_native_symbol(int i) {\n  static void *const table[] = {${table}};\n  return (long)table[i];\n}\n`,
  );
  const libc = dlopen("libc.so.6", libcSymbols);
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
      const typed: Record<string, FFIFunction> = {};
      for (const [i, n] of names.entries()) {
        const s = symbols[n];
        if (s !== undefined) {
          const address = Number(library.symbols.runsc_native_symbol(i));
          typed[n] = {
            args: s.args.map((a) => ffiTypes[a]),
            returns: ffiTypes[s.returns],
            ptr: address as NonNullable<FFIFunction["ptr"]>,
          };
        }
      }
      const linked = linkSymbols(typed);
      // The functions live as long as the library object does: tie the two together.
      Object.defineProperty(linked.symbols, "library", { value: [library, linked], enumerable: false });
      return linked.symbols as unknown as NativeFunctions<S>;
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

/**
 * A buffer that native code may keep the address of: backed by an ArrayBuffer of its own from the start, so that the
 * collector never moves its bytes (small typed arrays do move when someone asks for their `.buffer`).
 */
export function pinnedBytes(length: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new ArrayBuffer(length));
}
