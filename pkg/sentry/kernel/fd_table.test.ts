import { describe, expect, test } from "bun:test";
import * as errno from "../../abi/linux/errno.ts";
import { EventFileDescription } from "../fsimpl/eventfd/index.ts";
import { type Timestamp, VirtualFilesystem } from "../vfs/index.ts";
import { FDTable } from "./fd_table.ts";

const vfs = new VirtualFilesystem({
  realtimeCoarse(out: Timestamp): void {
    out.sec = 1;
    out.nsec = 0;
  },
});
const LIMIT = 1048576;

function file(): EventFileDescription {
  return new EventFileDescription(vfs.newAnonVirtualDentry("[eventfd]"), 0, 0, false);
}

describe("FDTable", () => {
  test("gives the lowest free descriptor", () => {
    const t = new FDTable();
    const f = file();
    for (let i = 0; i < 600; i++) expect(t.newFD(f, 0, false, LIMIT)).toBe(i);
    expect(f.refs).toBe(601);
    t.remove(300);
    t.remove(5);
    t.remove(511);
    expect(t.newFD(f, 0, false, LIMIT)).toBe(5);
    expect(t.newFD(f, 0, false, LIMIT)).toBe(300);
    expect(t.newFD(f, 0, false, LIMIT)).toBe(511);
    expect(t.newFD(f, 0, false, LIMIT)).toBe(600);
    expect(t.newFD(f, 1000, false, LIMIT)).toBe(1000);
    expect(t.newFD(f, 0, false, LIMIT)).toBe(601);
    expect(t.newFD(f, 0, false, 602)).toBe(-errno.EMFILE);
    expect(t.hasRoom(602)).toBe(false);
    t.decRef();
    expect(f.refs).toBe(1);
  });

  test("does not know descriptors out of range", () => {
    const t = new FDTable();
    expect(t.get(-1)).toBe(null);
    expect(t.get(2147483647)).toBe(null);
    expect(t.remove(-1)).toBe(-errno.EBADF);
    expect(t.getFlags(0)).toBe(-errno.EBADF);
    expect(t.nextUsed(0)).toBe(-1);
    expect(t.nextUsed(4294967295)).toBe(-1);
  });

  test("replaces with dup2, also by the last reference", () => {
    const t = new FDTable();
    const a = file();
    const b = file();
    t.newFD(a, 0, true, LIMIT);
    t.newFD(b, 0, false, LIMIT);
    a.decRef();
    b.decRef();
    t.newFDAt(1, a, false);
    expect(b.refs).toBe(0);
    expect(t.get(1)).toBe(a);
    t.newFDAt(1000000, a, true);
    expect(a.refs).toBe(3);
    expect(t.nextUsed(2)).toBe(1000000);
    expect(t.used).toBe(3);
    expect(t.nrOpen).toBe(1048576);
  });

  test("forks, and closes on exec", () => {
    const t = new FDTable();
    const f = file();
    for (let i = 0; i < 70; i++) t.newFD(f, 0, i % 2 === 1, LIMIT);
    const c = t.fork();
    expect(f.refs).toBe(141);
    c.closeOnExec();
    expect(c.used).toBe(35);
    expect(c.get(1)).toBe(null);
    expect(c.get(2)).toBe(f);
    expect(t.cloexec(1)).toBe(true);
    expect(c.newFD(f, 0, false, LIMIT)).toBe(1);
    const part = t.fork(10, 69);
    expect(part.used).toBe(10);
    expect(part.newFD(f, 0, false, LIMIT)).toBe(10);
    t.setCloexecRange(0, 4294967295);
    t.closeOnExec();
    expect(t.used).toBe(0);
    c.decRef();
    part.decRef();
    expect(f.refs).toBe(1);
  });

  test("closes ranges", () => {
    const t = new FDTable();
    const f = file();
    for (let i = 0; i < 20; i++) t.newFD(f, 0, false, LIMIT);
    t.removeRange(5, 4294967295);
    expect(t.used).toBe(5);
    t.removeRange(0, 1);
    expect(t.nextUsed(0)).toBe(2);
  });
});
