import { ptr } from "bun:ffi";
import { native } from "../../native/host.ts";
import { pinnedBytes } from "../../native/index.ts";
import * as linuxerr from "../../pkg/errors/linuxerr/index.ts";
import * as host from "../../pkg/hostsyscall/index.ts";

/** An argument of a call a child makes: a number, or bytes that C reads. */
export type ChildArg = number | Uint8Array | BigUint64Array;

interface Call {
  readonly what: string;
  readonly nr: number;
  readonly ignore: boolean;
  readonly args: readonly ChildArg[];
}

const CALL_SIZE = 56;
const STACK_SIZE = 65536;
const WAIT_GO = -1;
const SPAWN_IGNORE = 1;
/** Offsets in struct spawn (native/spawn.c). */
const OFFSET_FLAGS = 0;
const OFFSET_CALLS = 8;
const OFFSET_NCALLS = 16;
const OFFSET_STACK = 24;
const OFFSET_STACK_SIZE = 32;
const OFFSET_PIDFD = 40;
const OFFSET_GO = 48;
const OFFSET_FAILED = 52;
const OFFSET_ERROR = 56;
const SPAWN_SIZE = 64;

/**
 * A child process as a list of system calls, the last an execve or an exit: no JavaScript runs between fork and exec. Build the
 * list, start(), and wait() until the child has left our memory; all buffers stay alive until then.
 */
export class Child {
  readonly calls: Call[] = [];
  readonly struct: Uint8Array<ArrayBuffer> = pinnedBytes(SPAWN_SIZE);
  readonly view: DataView = new DataView(this.struct.buffer);
  readonly stack: Uint8Array<ArrayBuffer> = pinnedBytes(STACK_SIZE);
  table: Uint8Array<ArrayBuffer> = pinnedBytes(CALL_SIZE);
  pid = -1;

  /** Appends a call; `what` is how an error message names it. */
  call(what: string, nr: number, ...args: ChildArg[]): void {
    this.calls.push({ what, nr, ignore: false, args });
  }

  /** Appends a call that may fail. */
  attempt(what: string, nr: number, ...args: ChildArg[]): void {
    this.calls.push({ what, nr, ignore: true, args });
  }

  /** Appends a wait for go(). */
  waitForGo(): void {
    this.calls.push({ what: "waiting for the parent", nr: WAIT_GO, ignore: false, args: [] });
  }

  /** Makes the process in the new namespaces of `flags` (CLONE_NEW*). Throws Error. */
  start(flags: number): void {
    this.table = pinnedBytes(CALL_SIZE * this.calls.length);
    const table = new DataView(this.table.buffer);
    this.calls.forEach((c, i) => {
      table.setInt32(i * CALL_SIZE, c.nr, true);
      table.setInt32(i * CALL_SIZE + 4, c.ignore ? SPAWN_IGNORE : 0, true);
      c.args.forEach((a, j) => {
        const value = typeof a === "number" ? a : ptr(a);
        table.setBigInt64(i * CALL_SIZE + 8 + 8 * j, BigInt(value), true);
      });
    });
    const v = this.view;
    v.setBigUint64(OFFSET_FLAGS, BigInt(flags), true);
    v.setBigUint64(OFFSET_CALLS, BigInt(ptr(this.table)), true);
    v.setBigUint64(OFFSET_NCALLS, BigInt(this.calls.length), true);
    v.setBigUint64(OFFSET_STACK, BigInt(ptr(this.stack)), true);
    v.setBigUint64(OFFSET_STACK_SIZE, BigInt(STACK_SIZE), true);
    const r = native.spawn_start(this.struct);
    if (r < 0) throw new Error(`clone: ${linuxerr.nameOf(-r)}`);
    this.pid = r;
  }

  /** The child's pidfd; the caller closes it. */
  pidfd(): number {
    return this.view.getInt32(OFFSET_PIDFD, true);
  }

  /** Lets the child past waitForGo, or tells it to give up. */
  go(ok: boolean): void {
    if (ok) {
      native.spawn_go(this.struct);
      return;
    }
    this.view.setInt32(OFFSET_GO, 2, true);
    host.futex(ptr(this.struct) + OFFSET_GO, 1, 1, -1);
  }

  /** Waits until the child has exec'd or is gone. Throws Error with the call that failed. */
  wait(): void {
    native.spawn_wait(this.struct);
    const failed = this.view.getInt32(OFFSET_FAILED, true);
    if (failed !== 0) {
      const errno = -Number(this.view.getBigInt64(OFFSET_ERROR, true));
      throw new Error(`${this.calls[failed - 1]?.what ?? "child"}: ${linuxerr.nameOf(errno)}`);
    }
    // Everything C read is alive here.
    if (this.stack.length + this.table.length === 0) throw new Error("child: no memory");
  }
}
