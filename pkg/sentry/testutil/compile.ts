import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Compiles C text to a static executable and returns its bytes. Throws the compiler's messages. */
export function compileGuest(source: string, flags: readonly string[] = []): Uint8Array {
  const dir = mkdtempSync(join(tmpdir(), "runsc-guest-"));
  try {
    writeFileSync(join(dir, "guest.c"), source);
    const cmd = ["cc", "-static", "-O1", "-D_GNU_SOURCE", "-pthread", ...flags, "-o", "guest", "guest.c", "-lrt"];
    const r = Bun.spawnSync(cmd, { cwd: dir });
    if (r.exitCode !== 0) throw new Error(`cc: ${r.stderr.toString()}`);
    return new Uint8Array(readFileSync(join(dir, "guest")));
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
