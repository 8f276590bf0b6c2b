import * as host from "../../../hostsyscall/index.ts";

const AT_SYSINFO_EHDR = 33;

/** Where this process has the host's vdso, which is the same in all processes; 0 when it has none. */
export function vdsoAddress(): number {
  const text = host.readFile("/proc/self/auxv");
  if (typeof text === "number") return 0;
  const auxv = Buffer.from(text, "latin1");
  for (let at = 0; at + 16 <= auxv.length; at += 16) {
    if (auxv.readUInt32LE(at) !== AT_SYSINFO_EHDR) continue;
    return auxv.readUInt32LE(at + 12) * 4294967296 + auxv.readUInt32LE(at + 8);
  }
  return 0;
}

/** CRC-32 of `length` bytes; 0 when they cannot be read. */
export function vdsoChecksum(address: number, length: number): number {
  const bytes = new Uint8Array(length);
  return address !== 0 && host.copyFromHost(bytes, 0, address, length) === 0 ? Bun.hash.crc32(bytes) : 0;
}
