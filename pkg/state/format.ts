/*
 * The image of a graph: magic, version, CRC-32 and length of the body (uint32, little-endian), body. The body is a table of strings,
 * a table of types (wire name, field names, which of them are saved), a table of objects (kind, and what is needed to make an empty
 * one), and the contents of each object in the order of the table. Object 0 is the root.
 */

/** The first bytes of an image. */
export const MAGIC = 0x54415352;
/** Of the encoding; a reader knows one version. */
export const VERSION = 1;
/** Bytes before the body. */
export const HEADER_SIZE = 16;

// Kinds of objects. KIND_CLASS + n is an instance of type n.
export const KIND_PLAIN = 0;
export const KIND_NULL_PROTO = 1;
export const KIND_ARRAY = 2;
export const KIND_MAP = 3;
export const KIND_SET = 4;
export const KIND_BUFFER = 5;
export const KIND_VIEW = 6;
/** An object that is not in the image: the reader has one of that name. */
export const KIND_NAMED = 7;
export const KIND_CLASS = 16;

// Tags of values.
export const TAG_UNDEFINED = 0;
export const TAG_NULL = 1;
export const TAG_FALSE = 2;
export const TAG_TRUE = 3;
export const TAG_INT = 4;
export const TAG_NEGATIVE = 5;
export const TAG_FLOAT = 6;
export const TAG_STRING = 7;
export const TAG_OBJECT = 8;
/** An element that an array does not have. */
export const TAG_HOLE = 9;

// Encodings of strings.
export const STRING_LATIN1 = 0;
export const STRING_UTF16 = 1;

/** Typed arrays by their number in the image. Buffer is one of its own. */
export const VIEWS = [
  Uint8Array,
  Int8Array,
  Uint8ClampedArray,
  Uint16Array,
  Int16Array,
  Uint32Array,
  Int32Array,
  Float32Array,
  Float64Array,
  BigUint64Array,
  BigInt64Array,
] as const;
export const VIEW_DATAVIEW = 100;
export const VIEW_NODE_BUFFER = 101;

/** Largest buffer that an image may contain. */
export const MAX_BUFFER = 256 << 20;
