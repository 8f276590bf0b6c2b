/**
 * Package usermem moves bytes between the sentry and an address space. Guest pointers are untrusted numbers; every
 * copy checks them. Implementations copy once between guest memory and private buffers; nothing is read twice.
 */

export { BytesIO } from "./bytes_io.ts";
export type { IO } from "./io.ts";
export { IOSequence } from "./io_sequence.ts";
