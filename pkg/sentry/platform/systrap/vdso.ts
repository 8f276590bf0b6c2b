import * as host from "../../../hostsyscall/index.ts";

/** Where this process has the host's vdso, which is the same in all processes; 0 when it has none. */
export function vdsoAddress(): number {
  return host.auxiliaryVector().get(host.AT_SYSINFO_EHDR) ?? 0;
}

/** CRC-32 of `length` bytes; 0 when they cannot be read. */
export function vdsoChecksum(address: number, length: number): number {
  const bytes = new Uint8Array(length);
  return address !== 0 && host.copyFromHost(bytes, 0, address, length) === 0 ? Bun.hash.crc32(bytes) : 0;
}
