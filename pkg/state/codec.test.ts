import { expect, test } from "bun:test";
import { decode, encode, type LoadContext, StateError, setFields, stateType, TypeRegistry } from "./index.ts";

class Base {
  static readonly stateType = stateType("test.Base", ["id"], ["cache"]);
  readonly id: number;
  readonly cache: number[] = [];
  constructor(id: number) {
    this.id = id;
  }
  afterLoad(_ctx: LoadContext): void {
    setFields<Base>(this, { cache: [this.id] });
  }
}

class Node extends Base {
  static override readonly stateType = stateType("test.Node", ["next", "value"], ["when"]);
  next: Node | null = null;
  value: unknown = undefined;
  when = 0;
  override afterLoad(ctx: LoadContext): void {
    super.afterLoad(ctx);
    this.when = ctx.monotonicShift;
  }
}

class Lazy {
  static readonly stateType = stateType("test.Lazy", [], ["forgotten"]);
  forgotten = 1;
  afterLoad(): void {}
}

class Lost {
  static readonly stateType = stateType("test.Lost", [], ["fd"]);
  fd = 1;
}

class Stranger {
  x = 1;
}

const constant = { name: "constant" };
const registry = new TypeRegistry([Base, Node, Lazy, Lost], [["constant", constant]]);

function roundTrip(value: unknown, externals: ReadonlyMap<string, object> = new Map()): unknown {
  const n = new Node(1);
  n.value = value;
  const d = decode(encode(n, registry, externals), registry, externals);
  d.afterLoad({ monotonicShift: 7 });
  d.verify();
  return (d.root as Node).value;
}

test("values come back as they were", () => {
  const values = [
    ...[0, -0, 1, -1, 2 ** 31, -(2 ** 31), 2 ** 53 - 1, 1 - 2 ** 53, 2 ** 53, 0.1, -1e300],
    ...[Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY],
    ...[true, false, null, undefined, "", "a", "\xff\x00\x80", "\u20ac\ud800", "__proto__"],
  ];
  const got = roundTrip(values) as unknown[];
  expect(got.length).toBe(values.length);
  for (const [i, v] of values.entries()) expect(Object.is(got[i], v)).toBe(true);
});

test("containers, views and holes come back", () => {
  const buffer = new ArrayBuffer(64);
  const words = new Uint32Array(buffer, 8, 4);
  words.set([1, 2, 3, 0xffffffff]);
  const proto = JSON.parse('{"__proto__": 1}');
  // biome-ignore lint/suspicious/noSparseArray: a hole is what is tested
  const holes = [1, , 3];
  const v = roundTrip({
    map: new Map<unknown, unknown>([["k", new Set([1, "x"])]]),
    words,
    bytes: new Uint8Array(buffer),
    node: Buffer.from(buffer, 4, 8),
    view: new DataView(buffer, 1, 3),
    big: new BigInt64Array([-5n]),
    bare: Object.assign(Object.create(null), { a: 1 }),
    proto,
    holes,
  }) as Record<string, unknown>;
  expect(v.map).toEqual(new Map<unknown, unknown>([["k", new Set([1, "x"])]]));
  expect(v.words).toEqual(words);
  expect((v.words as Uint32Array).buffer).toBe((v.bytes as Uint8Array).buffer as ArrayBuffer);
  expect(Buffer.isBuffer(v.node)).toBe(true);
  expect((v.view as DataView).byteOffset).toBe(1);
  expect(v.big).toEqual(new BigInt64Array([-5n]));
  expect(Object.getPrototypeOf(v.bare)).toBe(null);
  expect(Object.getPrototypeOf(v.proto)).toBe(Object.prototype);
  expect(1 in (v.holes as unknown[])).toBe(false);
  expect((v.holes as unknown[]).length).toBe(3);
});

test("cycles, sharing, classes, constants and externals keep their identity; hooks run", () => {
  const a = new Node(1);
  const b = new Node(2);
  a.next = b;
  b.next = a;
  const outside = new Stranger();
  a.value = [b, constant, outside, b];
  const d = decode(encode(a, registry, new Map([["out", outside]])), registry, new Map([["out", outside]]));
  d.afterLoad({ monotonicShift: 42 });
  d.verify();
  const r = d.root as Node;
  expect(r).toBeInstanceOf(Node);
  expect(r).not.toBe(a);
  expect(r.next?.next).toBe(r);
  expect(r.value).toEqual([r.next, constant, outside, r.next]);
  expect((r.value as unknown[])[1]).toBe(constant);
  expect((r.value as unknown[])[2]).toBe(outside);
  expect(r.cache).toEqual([1]);
  expect(r.next?.when).toBe(42);
  expect(Object.keys(r)).toEqual(Object.keys(a));
});

test("what cannot be written is named with its path", () => {
  expect(() => roundTrip({ deep: [new Stranger()] })).toThrow(/Stranger.*value\.deep\.\[0\]/);
  expect(() => roundTrip([() => 1])).toThrow(/a function at value\.\[0\]/);
  expect(() => roundTrip(1n)).toThrow(/a bigint/);
  expect(() => roundTrip(new WeakMap())).toThrow(/WeakMap/);
  expect(() => roundTrip(new Lost())).toThrow("test.Lost, whose field fd nothing would rebuild");
  expect(() => roundTrip(new Lazy())).toThrow("nothing rebuilds test.Lazy.forgotten");
});

test("images of other programs are refused with a reason", () => {
  const image = encode(new Node(1), registry);
  const same = class Node extends Base {
    static override readonly stateType = stateType("test.Node", ["next", "value", "more"], ["when"]);
  };
  expect(() => decode(image, new TypeRegistry([Base]))).toThrow("test.Node, which this program does not know");
  expect(() => decode(image, new TypeRegistry([Base, same]))).toThrow("the image lacks test.Node.more");
  const other = image.slice();
  other[4] = 9;
  expect(() => decode(other, registry)).toThrow("format 9");
  expect(() => decode(new Uint8Array(3), registry)).toThrow("no saved kernel");
});

test("a damaged image throws StateError wherever it is damaged", () => {
  const n = new Node(1);
  n.value = {
    m: new Map([["a", [1, 2.5, "x"]]]),
    s: new Set([n]),
    w: new Uint32Array([1, 2]),
    d: new DataView(new ArrayBuffer(8)),
  };
  const image = encode(n, registry);
  for (let i = 0; i < image.length; i++) expect(() => decode(image.subarray(0, i), registry)).toThrow(StateError);
  let accepted = 0;
  for (let i = 16; i < image.length; i++) {
    for (const v of [0, 1, 7, 127, 128, 255]) {
      const bad = image.slice();
      bad[i] = v;
      // With the checksum made right, only the structure is left to notice.
      new DataView(bad.buffer).setUint32(8, Bun.hash.crc32(bad.subarray(16)), true);
      try {
        decode(bad, registry);
        accepted++;
      } catch (e) {
        if (!(e instanceof StateError)) throw e;
      }
    }
  }
  // Changed values that mean something else are beyond what a reader can see.
  expect(accepted).toBeGreaterThan(0);
  const flipped = image.slice();
  flipped[image.length - 1] = (flipped[image.length - 1] ?? 0) ^ 1;
  expect(() => decode(flipped, registry)).toThrow("damaged");
});
