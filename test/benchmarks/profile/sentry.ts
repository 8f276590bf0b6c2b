/**
 * A sentry without confinement, for profilers: the loader and everything above it as they are in a sandbox, started by profile.ts with
 * the descriptors of FD. PROFILE_OUT names where the samples of JavaScriptCore's own profiler go; without it nothing is sampled here.
 */
import { profile } from "bun:jsc";
import { readFileSync, writeFileSync } from "node:fs";
import * as host from "../../../pkg/hostsyscall/index.ts";
import { decodeSpec, FD } from "../../../runsc/boot/index.ts";
import { Loader } from "../../../runsc/boot/loader.ts";

const out = process.env["PROFILE_OUT"] ?? "";
const interval = Number(process.env["PROFILE_INTERVAL"]);
const loader = new Loader(decodeSpec(readFileSync(FD.spec, "utf8")));
loader.prepare();
loader.start([]);
let status = 0;
if (out === "") {
  status = loader.run();
} else {
  const samples: unknown = profile(() => {
    status = loader.run();
  }, interval);
  writeFileSync(out, JSON.stringify(samples));
}
host.exitGroup(status >> 8);
