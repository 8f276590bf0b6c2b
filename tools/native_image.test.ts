import { type FFIFunction, FFIType, linkSymbols } from "bun:ffi";
import { expect, test } from "bun:test";
import { hostModule } from "../native/host.ts";
import { placeImage } from "../native/index.ts";
import { makeImage, nativeImages } from "./native_image.ts";

test("every module of the executable becomes an image", () => {
  const images = nativeImages();
  expect(Object.keys(images).sort()).toEqual(["host.c", "systrap.c", "waiter.c"]);
  for (const image of Object.values(images)) expect(image.relocations.length).toBeGreaterThan(0);
});

test("a placed image works, copies that fault included: their table is relocated", () => {
  const { addresses } = placeImage(makeImage(hostModule));
  const link = (name: string, args: readonly FFIType[]): ((...values: unknown[]) => unknown) => {
    const ptr = addresses.get(name) as NonNullable<FFIFunction["ptr"]>;
    const { f } = linkSymbols({ f: { args: [...args], returns: FFIType.i64_fast, ptr } }).symbols;
    return f as unknown as (...values: unknown[]) => unknown;
  };
  const sys3 = link("host_sys3", [FFIType.i32, FFIType.ptr, FFIType.ptr, FFIType.ptr]);
  expect(sys3(39, null, null, null)).toBe(process.pid);
  expect(link("safe_install", [])()).toBe(0);
  const word = new Uint32Array([7]);
  expect(link("safe_load32", [FFIType.ptr])(word)).toBe(7);
  expect(link("safe_load32", [FFIType.ptr])(16)).toBe(-14);
});

test("a module begins with its text, however much of it lies before the first function that can be called", () => {
  const filler = Array.from({ length: 300 }, (_, i) => `static long f${i}(long x) { return x * ${i} + 7; }`).join("\n");
  const calls = Array.from({ length: 300 }, (_, i) => `v = f${i}(v);`).join(" ");
  const source = `${filler}\nlong last(void) { long v = 1; ${calls} return v; }`;
  const m = { name: "f.c", symbols: { last: { args: [], returns: "i64_fast" } }, source } as const;
  const image = makeImage(m);
  expect(image.offsets["last"]).toBeGreaterThan(4096);
  expect(image.textSize).toBeGreaterThan(8192);
});

test("a module whose compilations differ otherwise than by address has no image", () => {
  let n = 0;
  const m = {
    name: "f.c",
    symbols: { f: { args: [], returns: "i64_fast" } },
    get source() {
      return `long f(void) { return ${++n}; }`;
    },
  } as const;
  expect(() => makeImage(m)).toThrow("unexplained difference");
});
