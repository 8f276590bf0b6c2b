import { EINTR } from "../../pkg/abi/linux/errno.ts";
import { SIGKILL } from "../../pkg/abi/linux/signal.ts";
import * as host from "../../pkg/hostsyscall/index.ts";
import { startCompiler } from "./compiler.ts";
import { confine, dropInheritance, sayLoaded, waitForRoot } from "./confine.ts";
import { Loader, StartError } from "./loader.ts";
import { decodeSpec, FD } from "./spec.ts";
import { send } from "./status.ts";

/** Reads a descriptor to its end, as UTF-8. */
function readAll(fd: number): string {
  const chunks: Buffer[] = [];
  const buf = Buffer.alloc(65536);
  for (;;) {
    const n = host.read(fd, buf);
    if (n === -EINTR) continue;
    if (n < 0) throw new Error(`reading descriptor ${fd}: ${n}`);
    if (n === 0) break;
    chunks.push(Buffer.from(buf.subarray(0, n)));
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** Where a thrown value came from, for the log. */
function describe(e: unknown): string {
  return e instanceof Error ? (e.stack ?? e.message) : String(e);
}

/**
 * Kills every other process of the namespace, whose first one we are: they die while we do, instead of running until the host has taken our
 * memory apart.
 */
function endStubs(): void {
  if (host.getpid() === 1) host.kill(-1, SIGKILL);
}

/**
 * The sandbox process from its first line to its exit; never returns. Started by package sandbox with the descriptors of FD
 * and no privileges beyond its user namespace.
 */
export function bootMain(): never {
  let loader: Loader | null = null;
  try {
    dropInheritance();
    const spec = decodeSpec(readAll(FD.spec));
    host.close(FD.spec);
    // Everything that loads or looks into /proc happens here.
    loader = new Loader(spec);
    startCompiler();
    sayLoaded();
    // While the parent takes the root away: what needs neither it nor anything of the container.
    loader.prepare();
    // From here on there is no file system any more ...
    const signals = waitForRoot();
    // ... nor any host call that is not on the list.
    confine();
    loader.start(signals);
    send({ state: "started" });
    // From here on the thresholds are those of our environment.
    Bun.unsafe.setJITPolicy(1);
    const status = loader.run();
    endStubs();
    send({ state: "exit", status });
    host.exitGroup(0);
  } catch (e) {
    if (e instanceof StartError) {
      send({ state: "error", message: e.message, code: e.code });
      host.exitGroup(0);
    }
    const text = describe(e);
    loader?.logPanic(text);
    send({ state: "panic", message: `sandbox failed: ${text}` });
    host.exitGroup(1);
  }
}
