import * as host from "../../../hostsyscall/index.ts";

const AT_SYSINFO_EHDR = 33;

/** CRC-32 of the first `length` bytes of the host's vdso, which is the same in all processes; 0 when it cannot be read. */
export function vdsoChecksum(length: number): number {
  const text = host.readFile("/proc/self/auxv");
  if (typeof text === "number") return 0;
  const auxv = Buffer.from(text, "latin1");
  for (let at = 0; at + 16 <= auxv.length; at += 16) {
    if (auxv.readUInt32LE(at) !== AT_SYSINFO_EHDR) continue;
    const bytes = new Uint8Array(length);
    const address = auxv.readUInt32LE(at + 12) * 4294967296 + auxv.readUInt32LE(at + 8);
    return host.copyFromHost(bytes, 0, address, length) === 0 ? Bun.hash.crc32(bytes) : 0;
  }
  return 0;
}
