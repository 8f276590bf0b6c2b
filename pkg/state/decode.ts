import * as f from "./format.ts";
import { type AfterLoad, type LoadContext, StateError, type TypeRegistry } from "./registry.ts";
import { Reader } from "./stream.ts";

/** A type as the image has it. */
interface Layout {
  readonly name: string;
  readonly prototype: object;
  readonly fields: readonly string[];
  readonly saved: readonly string[];
  readonly unsaved: readonly string[];
}

/** An entry of the table of objects. */
interface Entry {
  readonly kind: number;
  readonly object: object;
  /** Elements, or bytes, that the contents have. */
  readonly size: number;
  readonly layout: Layout | null;
}

/** A graph that was read. */
export class Decoded {
  readonly root: object;
  /** Every object, the root first. */
  readonly objects: readonly object[];
  readonly instances: readonly {
    readonly object: object;
    readonly unsaved: readonly string[];
    readonly name: string;
  }[];

  constructor(entries: readonly Entry[]) {
    this.root = entries[0]?.object ?? {};
    this.objects = entries.map((e) => e.object);
    this.instances = entries.flatMap((e) =>
      e.layout === null ? [] : [{ object: e.object, unsaved: e.layout.unsaved, name: e.layout.name }],
    );
  }

  /** Calls the hooks of all objects that have one. */
  afterLoad(ctx: LoadContext): void {
    for (const { object } of this.instances) {
      const o = object as Partial<AfterLoad>;
      if (typeof o.afterLoad === "function") o.afterLoad(ctx);
    }
  }

  /** Throws when an unsaved field was not rebuilt, naming all such fields. */
  verify(): void {
    const missing = new Set<string>();
    for (const { object, unsaved, name } of this.instances) {
      const o = object as Record<string, unknown>;
      for (const field of unsaved) if (o[field] === undefined) missing.add(`${name}.${field}`);
    }
    if (missing.size > 0) throw new StateError(`state: nothing rebuilds ${[...missing].join(", ")}`);
  }
}

/** One run of decode(). */
class Decoder {
  readonly registry: TypeRegistry;
  readonly externals: ReadonlyMap<string, object>;
  readonly r: Reader;
  readonly strings: string[] = [];
  readonly layouts: Layout[] = [];
  readonly entries: Entry[] = [];
  /** Views, made when the buffers are known. */
  readonly views: {
    readonly at: number;
    readonly kind: number;
    readonly buffer: number;
    readonly offset: number;
    readonly length: number;
  }[] = [];

  constructor(bytes: Uint8Array, registry: TypeRegistry, externals: ReadonlyMap<string, object>) {
    this.registry = registry;
    this.externals = externals;
    this.r = new Reader(bytes);
  }

  header(): void {
    const { r } = this;
    if (r.left < f.HEADER_SIZE || r.u32() !== f.MAGIC) throw new StateError("state: this is no saved kernel");
    const version = r.u32();
    if (version !== f.VERSION) {
      throw new StateError(`state: the image has format ${version}, this program reads format ${f.VERSION}`);
    }
    const sum = r.u32();
    const length = r.u32();
    if (length !== r.left) throw new StateError(`state: the image should have ${length} more bytes and has ${r.left}`);
    if (Bun.hash.crc32(r.bytes.subarray(r.at)) !== sum) throw new StateError("state: the image is damaged (checksum)");
  }

  string(): string {
    const s = this.strings[this.r.uint()];
    if (s === undefined) throw new StateError(`state: no such string, at byte ${this.r.at}`);
    return s;
  }

  stringTable(): void {
    const { r } = this;
    const n = r.count("strings", 2);
    for (let i = 0; i < n; i++) {
      const kind = r.u8();
      if (kind > f.STRING_UTF16) throw new StateError(`state: unknown string encoding ${kind}`);
      const wide = kind === f.STRING_UTF16;
      const length = r.count("characters", wide ? 2 : 1);
      const b = r.raw(wide ? length * 2 : length);
      this.strings.push(Buffer.from(b.buffer, b.byteOffset, b.length).toString(wide ? "utf16le" : "latin1"));
    }
  }

  typeTable(): void {
    const { r } = this;
    const n = r.count("types", 2);
    for (let i = 0; i < n; i++) {
      const name = this.string();
      const type = this.registry.types.get(name);
      if (type === undefined)
        throw new StateError(`state: the image has objects of ${name}, which this program does not know`);
      const count = r.count("fields");
      const fields = new Set<string>();
      const saved: string[] = [];
      for (let k = 0; k < count; k++) {
        const code = r.uint();
        const field = this.strings[Math.floor(code / 2)];
        if (field === undefined) throw new StateError(`state: a field of ${name} has no name`);
        if (fields.has(field)) throw new StateError(`state: ${name} has the field ${field} twice`);
        fields.add(field);
        if (code % 2 === 0) continue;
        if (!type.saved.has(field)) throw new StateError(`state: the image has ${name}.${field}, this program has not`);
        saved.push(field);
      }
      for (const field of type.saved) {
        if (!saved.includes(field)) throw new StateError(`state: the image lacks ${name}.${field}`);
      }
      const unsaved = [...type.unsaved].filter((u) => !type.saved.has(u));
      const known = [...fields].filter((k) => type.saved.has(k) || type.unsaved.has(k));
      const all = [...new Set([...known, ...unsaved])];
      this.layouts.push({ name, prototype: type.prototype, fields: all, saved, unsaved });
    }
  }

  objectTable(): void {
    const { r } = this;
    const n = r.count("objects");
    let total = 0;
    for (let i = 0; i < n; i++) {
      const kind = r.uint();
      let object: object = this.entries;
      let size = 0;
      let layout: Layout | null = null;
      switch (kind) {
        case f.KIND_PLAIN:
        case f.KIND_NULL_PROTO:
          object = kind === f.KIND_PLAIN ? {} : Object.create(null);
          size = r.uint();
          break;
        case f.KIND_ARRAY:
          object = [];
          size = r.count("elements");
          break;
        case f.KIND_MAP:
          object = new Map();
          size = r.count("entries", 2);
          break;
        case f.KIND_SET:
          object = new Set();
          size = r.count("members");
          break;
        case f.KIND_BUFFER: {
          const length = r.uint();
          total += length;
          if (length > f.MAX_BUFFER || total > 8 * f.MAX_BUFFER)
            throw new StateError(`state: a buffer of ${length} bytes`);
          size = r.count("bytes");
          if (size > length) throw new StateError("state: a buffer has more bytes than it can hold");
          object = new ArrayBuffer(length);
          break;
        }
        case f.KIND_VIEW:
          this.views.push({ at: i, kind: r.u8(), buffer: r.uint(), offset: r.uint(), length: r.uint() });
          break;
        case f.KIND_NAMED: {
          const name = this.string();
          const o = this.externals.get(name) ?? this.registry.constants.get(name);
          if (o === undefined) throw new StateError(`state: the image refers to ${name}, which is not here`);
          object = o;
          break;
        }
        default: {
          layout = this.layouts[kind - f.KIND_CLASS] ?? null;
          if (layout === null) throw new StateError(`state: object ${i} is of unknown kind ${kind}`);
          object = this.instance(layout);
        }
      }
      this.entries.push({ kind, object, size, layout });
    }
    if (n === 0) throw new StateError("state: the image is empty");
    for (const v of this.views) {
      this.entries[v.at] = { kind: f.KIND_VIEW, object: this.view(v), size: 0, layout: null };
    }
  }

  /** An object with all its fields, which have no values yet. */
  instance(layout: Layout): object {
    const o = Object.create(layout.prototype) as Record<string, unknown>;
    for (const name of layout.fields) o[name] = undefined;
    return o;
  }

  view(v: { kind: number; buffer: number; offset: number; length: number }): object {
    const buffer = this.entries[v.buffer];
    if (buffer === undefined || buffer.kind !== f.KIND_BUFFER)
      throw new StateError("state: a view of what is no buffer");
    const bytes = buffer.object as ArrayBuffer;
    if (v.offset + v.length > bytes.byteLength) throw new StateError("state: a view beyond the end of its buffer");
    if (v.kind === f.VIEW_DATAVIEW) return new DataView(bytes, v.offset, v.length);
    if (v.kind === f.VIEW_NODE_BUFFER) return Buffer.from(bytes, v.offset, v.length);
    const View = f.VIEWS[v.kind];
    if (View === undefined) throw new StateError(`state: unknown kind of view ${v.kind}`);
    const size = View.BYTES_PER_ELEMENT;
    if (v.offset % size !== 0 || v.length % size !== 0) throw new StateError("state: a view is not aligned");
    return new View(bytes, v.offset, v.length / size);
  }

  value(): unknown {
    const { r } = this;
    const tag = r.u8();
    switch (tag) {
      case f.TAG_UNDEFINED:
        return undefined;
      case f.TAG_NULL:
        return null;
      case f.TAG_FALSE:
        return false;
      case f.TAG_TRUE:
        return true;
      case f.TAG_INT:
        return r.uint();
      case f.TAG_NEGATIVE:
        return -r.uint();
      case f.TAG_FLOAT:
        return r.f64();
      case f.TAG_STRING:
        return this.string();
      case f.TAG_OBJECT: {
        const id = r.uint();
        const e = this.entries[id];
        if (e === undefined) throw new StateError(`state: no object ${id}, at byte ${r.at}`);
        return e.object;
      }
      default:
        throw new StateError(`state: unknown tag ${tag} at byte ${r.at}`);
    }
  }

  fill(e: Entry): void {
    const { r } = this;
    switch (e.kind) {
      case f.KIND_PLAIN:
      case f.KIND_NULL_PROTO:
        for (let i = 0; i < e.size; i++) {
          const name = this.string();
          const value = this.value();
          // Also a field called __proto__ is only a field.
          Object.defineProperty(e.object, name, { value, writable: true, enumerable: true, configurable: true });
        }
        break;
      case f.KIND_ARRAY: {
        const a = e.object as unknown[];
        for (let i = 0; i < e.size; i++) {
          if (r.bytes[r.at] === f.TAG_HOLE) r.take(1);
          else a[i] = this.value();
        }
        a.length = e.size;
        break;
      }
      case f.KIND_MAP: {
        const m = e.object as Map<unknown, unknown>;
        for (let i = 0; i < e.size; i++) m.set(this.value(), this.value());
        if (m.size !== e.size) throw new StateError("state: a map has a key twice");
        break;
      }
      case f.KIND_SET: {
        const s = e.object as Set<unknown>;
        for (let i = 0; i < e.size; i++) s.add(this.value());
        if (s.size !== e.size) throw new StateError("state: a set has a member twice");
        break;
      }
      case f.KIND_BUFFER:
        new Uint8Array(e.object as ArrayBuffer).set(r.raw(e.size));
        break;
      case f.KIND_VIEW:
      case f.KIND_NAMED:
        break;
      default: {
        const o = e.object as Record<string, unknown>;
        for (const name of e.layout?.saved ?? []) o[name] = this.value();
      }
    }
  }

  run(): Decoded {
    this.header();
    this.stringTable();
    this.typeTable();
    this.objectTable();
    for (const e of this.entries) this.fill(e);
    if (this.r.left !== 0) throw new StateError(`state: ${this.r.left} bytes too many`);
    return new Decoded(this.entries);
  }
}

/**
 * Reads an image written by encode(). `externals` stand in for the objects of that name. The objects have their saved fields; what comes
 * next is Decoded.afterLoad and, when everything was rebuilt, Decoded.verify. Throws StateError for anything that is not as it must be.
 */
export function decode(
  image: Uint8Array,
  registry: TypeRegistry,
  externals: ReadonlyMap<string, object> = new Map(),
): Decoded {
  return new Decoder(image, registry, externals).run();
}
