/**
 * Turns the project's C into images for the executable (native/index.ts says what those are), so that no process has to compile.
 *
 * The runtime's compiler only compiles into memory, at an address it chooses. So a module is compiled twice: the two copies differ in
 * exactly the words that hold an address of their own, and those are the relocations. Any other difference is an error.
 */
import { type Pointer, toArrayBuffer } from "bun:ffi";
import { hostModule } from "../native/host.ts";
import {
  type CompiledModule,
  compileNative,
  type NativeImage,
  type NativeModule,
  type NativeSymbol,
} from "../native/index.ts";
import { systrapModule } from "../pkg/sentry/platform/systrap/native.ts";
import { waiterModule } from "../runsc/sandbox/waiter.ts";

const PAGE = 4096;
/** Bytes of the compiler's table of addresses, at most. */
const MAX_TABLE = 1024;

/** One compilation: where it is, its bytes, where the instructions end, where the data begins and ends. */
interface Copy {
  readonly module: CompiledModule;
  readonly base: number;
  readonly bytes: Buffer;
  readonly textEnd: number;
  readonly textSize: number;
  readonly dataEnd: number;
}

/**
 * Where the compiler's table of addresses ends, which is the last thing in a copy: after the last entry that an instruction refers to.
 * A reference is a distance from the end of an instruction, whose last byte before it says that it is one (mod 00, r/m 101).
 */
function endOfTable(text: Buffer, dataEnd: number): number {
  let end = dataEnd;
  for (let at = 1; at + 4 <= text.length; at++) {
    const target = at + 4 + text.readInt32LE(at);
    if (((text[at - 1] ?? 0) & 0xc7) === 0x05 && target >= dataEnd && target < dataEnd + MAX_TABLE) {
      end = Math.max(end, target + 8);
    }
  }
  return end;
}

function compile(m: NativeModule<Record<string, NativeSymbol>>): Copy {
  const module = compileNative(m.source, m.name, Object.keys(m.symbols));
  const { base } = module;
  const [text, data, end] = module.bounds;
  const textSize = data - base;
  const dataEnd = Math.ceil(end / 8) * 8 - base;
  // Behind the instructions are constants, then bytes of chance.
  const length = endOfTable(Buffer.from(toArrayBuffer(base as Pointer, 0, text - base)), dataEnd);
  const bytes = Buffer.from(new Uint8Array(toArrayBuffer(base as Pointer, 0, length)));
  bytes.fill(0, end - base, dataEnd);
  return { module, base, bytes, textEnd: text - base, textSize, dataEnd };
}

/** The module as an image. Throws when the two compilations cannot be explained by their addresses. */
export function makeImage(m: NativeModule<Record<string, NativeSymbol>>): NativeImage {
  const a = compile(m);
  const b = compile(m);
  const { length } = a.bytes;
  if (b.bytes.length !== length) throw new Error(`${m.name}: two compilations differ`);
  const inside = (c: Copy, at: number): number => {
    const v = Number(c.bytes.readBigUInt64LE(at)) - c.base;
    return v >= 0 && v < length ? v : -1;
  };
  const bytes = Buffer.from(a.bytes);
  const relocations: number[] = [];
  for (let i = 0; i < length; i++) {
    if (a.bytes[i] === b.bytes[i]) continue;
    // The first byte that differs is the second or a later one of an address: images begin at a page.
    let at = i;
    while (at > i - 8 && (at < 0 || at + 8 > length || inside(a, at) < 0 || inside(a, at) !== inside(b, at))) at--;
    if (at <= i - 8) {
      // Constants and data hold no bytes of chance, but the space between them does, and what lies about the table of addresses.
      if (i < a.textEnd || (i >= a.textSize && i < a.dataEnd))
        throw new Error(`${m.name}: unexplained difference at ${i.toString(16)}`);
      bytes[i] = 0;
      continue;
    }
    bytes.writeBigUInt64LE(BigInt(inside(a, at)), at);
    relocations.push(at);
    i = at + 7;
  }
  // What is the same in both by chance is not to be in the executable either.
  const known = new Set(relocations.flatMap((at) => [0, 1, 2, 3, 4, 5, 6, 7].map((k) => at + k)));
  for (let i = a.dataEnd; i < length; i++) if (!known.has(i)) bytes[i] = 0;
  const { textSize } = a;
  // Instructions hold no addresses, only distances.
  if (textSize % PAGE !== 0 || relocations[0] !== textSize) throw new Error(`${m.name}: text and data are not apart`);
  const offsets: Record<string, number> = {};
  for (const [name, address] of a.module.addresses) {
    const offset = address - a.base;
    if (offset < 0 || offset >= textSize) throw new Error(`${m.name}: ${name} is not in its text`);
    offsets[name] = offset;
  }
  return { bytes: bytes.toString("base64"), textSize, relocations, offsets };
}

/** Every module of the executable, by name. */
export function nativeImages(): Record<string, NativeImage> {
  return Object.fromEntries([hostModule, systrapModule, waiterModule].map((m) => [m.name, makeImage(m)]));
}
