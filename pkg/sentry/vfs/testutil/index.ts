/** Package testutil builds a vfs with a tmpfs root for tests. */
import { LinuxError } from "../../../errors/linuxerr/index.ts";
import { PipeFS } from "../../fsimpl/pipefs/index.ts";
import { parseTmpfsOptions, Tmpfs, TmpfsType } from "../../fsimpl/tmpfs/index.ts";
import type { Credentials } from "../../kernel/auth/index.ts";
import { EMPTY_CAPS, newRootCredentials, newRootUserNamespace, newUserCredentials } from "../../kernel/auth/index.ts";
import { MemoryFile } from "../../pgalloc/index.ts";
import { BytesIO, IOSequence } from "../../usermem/index.ts";
import {
  type Clock,
  type FileDescription,
  PathOperation,
  type Timestamp,
  type VirtualDentry,
  VirtualFilesystem,
} from "../index.ts";

/** A clock that tests set. */
export class TestClock implements Clock {
  sec = 1000;
  nsec = 0;
  realtimeCoarse(out: Timestamp): void {
    out.sec = this.sec;
    out.nsec = this.nsec;
  }
}

/** A vfs with a tmpfs as root and shorthands for its calls. */
export class TestFS {
  readonly clock: TestClock = new TestClock();
  readonly memoryFile: MemoryFile = new MemoryFile({ name: "test" });
  readonly vfs: VirtualFilesystem;
  readonly pipefs: PipeFS;
  readonly fs: Tmpfs;
  readonly root: VirtualDentry;
  readonly rootCreds: Credentials;
  readonly userCreds: Credentials;
  /** Who the shorthands act as. */
  creds: Credentials;
  /** Where relative paths start. */
  cwd: VirtualDentry;

  constructor(options = "", dentryLimit = 1000) {
    const ns = newRootUserNamespace();
    this.rootCreds = newRootCredentials(ns);
    const caps = {
      permitted: EMPTY_CAPS,
      inheritable: EMPTY_CAPS,
      effective: EMPTY_CAPS,
      bounding: EMPTY_CAPS,
      ambient: EMPTY_CAPS,
    };
    this.userCreds = newUserCredentials(ns, 1000, 1000, [50], caps);
    this.creds = this.rootCreds;
    this.vfs = new VirtualFilesystem(this.clock, dentryLimit);
    this.vfs.registerFilesystemType(new TmpfsType(this.memoryFile, 1 << 30));
    this.pipefs = new PipeFS(this.vfs);
    const opts = parseTmpfsOptions(options, 1 << 30, this.rootCreds);
    this.fs = new Tmpfs(this.vfs, this.memoryFile, this.rootCreds, opts, 1 << 29);
    this.root = this.vfs.newMountNamespaceFrom(this.fs, "none", 0, ns).root;
    this.root.incRef();
    this.cwd = this.root;
  }

  /** A path operation of the current user. */
  pop(path: string, follow = true): PathOperation {
    return new PathOperation(this.root, this.cwd, path, follow);
  }

  /** open(2). */
  open(path: string, flags: number, mode = 0o644): FileDescription {
    return this.vfs.openAt(this.creds, this.pop(path), { flags, mode });
  }
}

/** A sequence over a private buffer. */
export function sequence(bytes: Uint8Array): IOSequence {
  return new IOSequence().setSingle(new BytesIO(bytes), 0, bytes.length);
}

/** Bytes of a latin1 string. */
export function bytes(s: string): Uint8Array {
  return new Uint8Array(Buffer.from(s, "latin1"));
}

/** The name of the errno that f throws, or "" when it does not. */
export function errorOf(f: () => unknown): string {
  try {
    f();
    return "";
  } catch (e) {
    if (e instanceof LinuxError) return e.name;
    throw e;
  }
}
