/** Real programs print and exit in the sandbox as they do on the host. */
import { describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { type RunOptions, run, sandbox } from "./harness.ts";

/** A command, and how it is run on both sides. */
interface Program {
  readonly argv: readonly string[];
  readonly options?: RunOptions;
  /** Takes what is rightly different out of the output: times, speeds. */
  readonly clean?: (s: string) => string;
  /** Standard error is compared too. */
  readonly stderr?: boolean;
}

const withoutSpeed = (s: string): string => s.replace(/copied, .*/, "copied");
const python =
  "import json,hashlib,sys; print(json.dumps({'v':sys.version_info[:2]}), hashlib.sha256(b'x').hexdigest())";

const programs: readonly Program[] = [
  { argv: ["/bin/echo", "hello"] },
  { argv: ["/bin/sh", "-c", "exit 42"] },
  { argv: ["/bin/busybox", "cat", "/etc/passwd"] },
  { argv: ["/bin/ls", "-lR", "/etc/apt"] },
  { argv: ["/usr/bin/sha256sum", "/usr/bin/perl"] },
  { argv: ["/usr/bin/perl", "-e", 'print join(",",map{$_*$_}1..10)'] },
  { argv: ["/usr/bin/env", "python3", "-c", python] },
  { argv: ["/bin/dd", "if=/dev/zero", "of=/dev/null", "bs=1M", "count=200"], clean: withoutSpeed, stderr: true },
  { argv: ["/bin/true"] },
  { argv: ["/bin/false"] },
  { argv: ["/bin/busybox", "true"] },
  { argv: ["/bin/busybox", "seq", "1", "1000"] },
  { argv: ["/bin/cat", "/etc/passwd", "/etc/group"] },
  { argv: ["/bin/cat", "/nonexistent"], stderr: true },
  { argv: ["/bin/ls", "-aF", "/"] },
