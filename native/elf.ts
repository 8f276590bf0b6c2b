/** ELF header and one program header. */
export const ELF_HEADER_SIZE = 0x80;

/**
 * Makes an image a program: ET_EXEC, EM_X86_64, one PT_LOAD that puts the whole file at `base`, to be read and executed. The first
 * ELF_HEADER_SIZE bytes are the header's; `entry` is the offset of the first instruction.
 */
export function putELFHeader(image: Uint8Array<ArrayBuffer>, base: number, entry: number): void {
  const view = new DataView(image.buffer, image.byteOffset);
  const u64 = (at: number, v: number): void => {
    view.setUint32(at, v >>> 0, true);
    view.setUint32(at + 4, Math.floor(v / 0x1_0000_0000), true);
  };
  image.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0]);
  view.setUint16(16, 2, true);
  view.setUint16(18, 62, true);
  view.setUint32(20, 1, true);
  u64(24, base + entry);
  u64(32, 64);
  view.setUint16(52, 64, true);
  view.setUint16(54, 56, true);
  view.setUint16(56, 1, true);
  view.setUint32(64, 1, true);
  view.setUint32(68, 5, true);
  u64(64 + 16, base);
  u64(64 + 24, base);
  u64(64 + 32, image.length);
  u64(64 + 40, image.length);
  u64(64 + 48, 0x1000);
}
