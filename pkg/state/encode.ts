import * as f from "./format.ts";
import { type ClassFields, StateError, type TypeRegistry } from "./registry.ts";
import { Writer } from "./stream.ts";

/** A type as it goes into the image: its fields in the order that instances have them. */
interface Layout {
  readonly id: number;
  readonly type: ClassFields;
  /** Every field; the saved ones are written. */
  readonly fields: readonly string[];
  readonly saved: readonly string[];
}

const latin1Only = /^[\u0000-\u00ff]*$/;

/** One run of encode(). */
class Encoder {
  readonly registry: TypeRegistry;
  /** Names of objects that are not written. */
  readonly named: Map<object, string> = new Map();
  readonly ids: Map<object, number> = new Map();
  readonly objects: object[] = [];
  /** From where an object was first seen, and by which step: for messages. */
  readonly parents: number[] = [];
  readonly steps: string[] = [];
  readonly strings: Map<string, number> = new Map();
  readonly layouts: Map<unknown, Layout> = new Map();
  readonly stringTable: Writer = new Writer();
  readonly objectTable: Writer = new Writer();
  readonly contents: Writer = new Writer();
  current = -1;

  constructor(registry: TypeRegistry, externals: ReadonlyMap<string, object>) {
    this.registry = registry;
    for (const [name, o] of registry.constants) this.named.set(o, name);
    for (const [name, o] of externals) this.named.set(o, name);
  }

  /** The way from the root to an object. */
  path(id: number, last: string): string {
    let s = last;
    for (let i = id; i > 0; i = this.parents[i] ?? 0) s = `${this.steps[i] ?? "?"}.${s}`;
    return s;
  }

  fail(what: string, step: string): never {
    throw new StateError(`state: cannot save ${what} at ${this.path(this.current, step)}`);
  }

  string(s: string): number {
    const known = this.strings.get(s);
    if (known !== undefined) return known;
    const id = this.strings.size;
    this.strings.set(s, id);
    const w = this.stringTable;
    const wide = !latin1Only.test(s);
    w.u8(wide ? f.STRING_UTF16 : f.STRING_LATIN1);
    w.uint(s.length);
    w.raw(Buffer.from(s, wide ? "utf16le" : "latin1"));
    return id;
  }

  /** The number of an object, which is written later. */
  object(o: object, step: string): number {
    const known = this.ids.get(o);
    if (known !== undefined) return known;
    const id = this.objects.length;
    this.ids.set(o, id);
    this.objects.push(o);
    this.parents.push(this.current);
    this.steps.push(step);
    return id;
  }

  value(v: unknown, step: string): void {
    const w = this.contents;
    switch (typeof v) {
      case "undefined":
        w.u8(f.TAG_UNDEFINED);
        break;
      case "boolean":
        w.u8(v ? f.TAG_TRUE : f.TAG_FALSE);
        break;
      case "number":
        if (Number.isSafeInteger(v) && !Object.is(v, -0)) {
          w.u8(v < 0 ? f.TAG_NEGATIVE : f.TAG_INT);
          w.uint(Math.abs(v));
        } else {
          w.u8(f.TAG_FLOAT);
          w.f64(v);
        }
        break;
      case "string":
        w.u8(f.TAG_STRING);
        w.uint(this.string(v));
        break;
      case "object":
        if (v === null) {
          w.u8(f.TAG_NULL);
        } else {
          w.u8(f.TAG_OBJECT);
          w.uint(this.object(v, step));
        }
        break;
      default:
        this.fail(`a ${typeof v}`, step);
    }
  }

  layout(o: object): Layout {
    const ctor: unknown = o.constructor;
    const known = this.layouts.get(ctor);
    if (known !== undefined) return known;
    const type = this.registry.byClass.get(ctor);
    if (type === undefined) this.fail(`an instance of ${o.constructor.name}, which is no registered class`, "");
    const fields = [...new Set([...Object.keys(o), ...type.saved, ...type.unsaved])];
    for (const name of fields) {
      if (!type.saved.has(name) && !type.unsaved.has(name))
        this.fail(`${type.name}.${name}, which is in no list`, name);
    }
    if (type.unsaved.size > 0 && !("afterLoad" in type.prototype)) {
      this.fail(`${type.name}, whose field ${[...type.unsaved][0]} nothing would rebuild,`, "");
    }
    const layout = { id: this.layouts.size, type, fields, saved: fields.filter((n) => type.saved.has(n)) };
    this.layouts.set(ctor, layout);
    return layout;
  }

  /** Writes one object's entry of the table and its contents. */
  write(o: object): void {
    const table = this.objectTable;
    const w = this.contents;
    const name = this.named.get(o);
    if (name !== undefined) {
      table.uint(f.KIND_NAMED);
      table.uint(this.string(name));
    } else if (o instanceof ArrayBuffer) {
      this.buffer(o);
    } else if (ArrayBuffer.isView(o)) {
      table.uint(f.KIND_VIEW);
      const at = (f.VIEWS as readonly unknown[]).indexOf(o.constructor);
      const kind = o instanceof DataView ? f.VIEW_DATAVIEW : o instanceof Buffer ? f.VIEW_NODE_BUFFER : at;
      if (kind < 0) this.fail(`a ${o.constructor.name}`, "");
      table.u8(kind);
      table.uint(this.object(o.buffer, "buffer"));
      table.uint(o.byteOffset);
      table.uint(o.byteLength);
    } else if (Array.isArray(o)) {
      table.uint(f.KIND_ARRAY);
      table.uint(o.length);
      for (let i = 0; i < o.length; i++) {
        if (i in o) this.value(o[i], `[${i}]`);
        else w.u8(f.TAG_HOLE);
      }
    } else if (o.constructor === Map) {
      const m = o as Map<unknown, unknown>;
      table.uint(f.KIND_MAP);
      table.uint(m.size);
      for (const [k, v] of m) {
        this.value(k, "<key>");
        this.value(v, typeof k === "object" ? "<value>" : `<${String(k)}>`);
      }
    } else if (o.constructor === Set) {
      const s = o as Set<unknown>;
      table.uint(f.KIND_SET);
      table.uint(s.size);
      for (const v of s) this.value(v, "<member>");
    } else {
      this.record(o);
    }
  }

  /** A plain object or an instance of a class. */
  record(o: object): void {
    const proto: unknown = Object.getPrototypeOf(o);
    if (proto === null || proto === Object.prototype) {
      this.objectTable.uint(proto === null ? f.KIND_NULL_PROTO : f.KIND_PLAIN);
      const entries = Object.entries(o);
      this.objectTable.uint(entries.length);
      for (const [k, v] of entries) {
        this.contents.uint(this.string(k));
        this.value(v, k);
      }
      return;
    }
    const layout = this.layout(o);
    this.objectTable.uint(f.KIND_CLASS + layout.id);
    const r = o as Record<string, unknown>;
    for (const name of layout.saved) this.value(r[name], name);
  }

  /** A buffer without the zeros at its end. */
  buffer(o: ArrayBuffer): void {
    const bytes = new Uint8Array(o);
    if (bytes.length > f.MAX_BUFFER) this.fail(`a buffer of ${bytes.length} bytes`, "");
    let used = bytes.length;
    while (used > 0 && bytes[used - 1] === 0) used--;
    this.objectTable.uint(f.KIND_BUFFER);
    this.objectTable.uint(bytes.length);
    this.objectTable.uint(used);
    this.contents.raw(bytes.subarray(0, used));
  }

  run(root: object): Uint8Array {
    this.object(root, "");
    for (let i = 0; i < this.objects.length; i++) {
      this.current = i;
      const o = this.objects[i];
      if (o !== undefined) this.write(o);
    }
    // May add strings: before the table of strings is copied.
    const types = new Writer();
    types.uint(this.layouts.size);
    for (const l of this.layouts.values()) {
      types.uint(this.string(l.type.name));
      types.uint(l.fields.length);
      for (const name of l.fields) types.uint(this.string(name) * 2 + (l.type.saved.has(name) ? 1 : 0));
    }
    const body = new Writer();
    body.uint(this.strings.size);
    body.raw(this.stringTable.done());
    body.raw(types.done());
    body.uint(this.objects.length);
    body.raw(this.objectTable.done());
    body.raw(this.contents.done());
    const out = new Writer();
    out.u32(f.MAGIC);
    out.u32(f.VERSION);
    out.u32(Bun.hash.crc32(body.done()));
    out.u32(body.length);
    out.raw(body.done());
    return out.done();
  }
}

/**
 * Writes everything that can be reached from `root` through saved fields. `externals` are objects of the world around it: only their
 * names are written. Throws StateError, naming the path, for what cannot be written.
 */
export function encode(
  root: object,
  registry: TypeRegistry,
  externals: ReadonlyMap<string, object> = new Map(),
): Uint8Array {
  return new Encoder(registry, externals).run(root);
}
