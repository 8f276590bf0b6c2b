import { PAGE_SIZE } from "../../abi/linux/mm.ts";
import * as linuxerr from "../../errors/linuxerr/index.ts";
import * as host from "../../hostsyscall/index.ts";
import { StateError } from "../../state/index.ts";
import type { MemoryFile } from "../pgalloc/index.ts";

/*
 * A file with a kernel in it: magic, version, length of the graph (uint32, little-endian), the graph, then the committed pages of the
 * memory file as runs of {offset, length} (two uint32 words each) and bytes. A run of length 0 is the last.
 */
const MAGIC = 0x474d4952;
const VERSION = 1;
const HEADER_BYTES = 12;
const RUN_BYTES = 16;
const CHUNK = 1 << 20;
const MAX_GRAPH = 1 << 30;

function put64(v: DataView, at: number, n: number): void {
  v.setUint32(at, n % 4294967296, true);
  v.setUint32(at + 4, Math.floor(n / 4294967296), true);
}

function get64(v: DataView, at: number): number {
  return v.getUint32(at + 4, true) * 4294967296 + v.getUint32(at, true);
}

/** Writes all of a buffer. */
function writeAll(fd: number, b: Uint8Array): void {
  for (let done = 0; done < b.length; ) {
    const n = host.write(fd, b, done, b.length - done);
    if (n <= 0) throw new StateError(`state: writing the image: ${linuxerr.nameOf(-n)}`);
    done += n;
  }
}

/** Fills a buffer. */
function readAll(fd: number, b: Uint8Array, length: number = b.length): void {
  for (let done = 0; done < length; ) {
    const n = host.read(fd, b, done, length - done);
    if (n === 0) throw new StateError("state: the image ends early");
    if (n < 0) throw new StateError(`state: reading the image: ${linuxerr.nameOf(-n)}`);
    done += n;
  }
}

/** Writes a graph and the memory that goes with it to a host descriptor. */
export function writeImage(fd: number, graph: Uint8Array, memory: MemoryFile): void {
  const header = new DataView(new ArrayBuffer(HEADER_BYTES));
  header.setUint32(0, MAGIC, true);
  header.setUint32(4, VERSION, true);
  header.setUint32(8, graph.length, true);
  writeAll(fd, new Uint8Array(header.buffer));
  writeAll(fd, graph);
  const run = new DataView(new ArrayBuffer(RUN_BYTES));
  const runBytes = new Uint8Array(run.buffer);
  const chunk = new Uint8Array(CHUNK);
  for (let at = 0; memory.nextData(at, memory.length); ) {
    const start = memory.extentStart;
    const end = memory.extentEnd;
    put64(run, 0, start);
    put64(run, 8, end - start);
    writeAll(fd, runBytes);
    for (at = start; at < end; ) {
      const n = host.pread(memory.fd, chunk, 0, Math.min(CHUNK, end - at), at);
      if (n <= 0) throw new StateError(`state: reading memory: ${linuxerr.nameOf(-n)}`);
      writeAll(fd, chunk.subarray(0, n));
      at += n;
    }
  }
  runBytes.fill(0);
  writeAll(fd, runBytes);
}

/** Reads the graph at the beginning of an image; the descriptor then stands at the memory. */
export function readGraph(fd: number): Uint8Array {
  const header = new DataView(new ArrayBuffer(HEADER_BYTES));
  readAll(fd, new Uint8Array(header.buffer));
  if (header.getUint32(0, true) !== MAGIC) throw new StateError("state: this is no image of a kernel");
  const version = header.getUint32(4, true);
  if (version !== VERSION)
    throw new StateError(`state: the image has version ${version}, this program reads ${VERSION}`);
  const length = header.getUint32(8, true);
  if (length > MAX_GRAPH) throw new StateError(`state: a graph of ${length} bytes`);
  const graph = new Uint8Array(length);
  readAll(fd, graph);
  return graph;
}

/** Reads the memory that follows the graph into the file of a restored kernel. */
export function readMemory(fd: number, memory: MemoryFile): void {
  const run = new DataView(new ArrayBuffer(RUN_BYTES));
  const chunk = new Uint8Array(CHUNK);
  for (;;) {
    readAll(fd, new Uint8Array(run.buffer));
    const start = get64(run, 0);
    const length = get64(run, 8);
    if (length === 0) return;
    if (start % PAGE_SIZE !== 0 || start + length > memory.length) throw new StateError("state: memory beyond the end");
    for (let at = start; at < start + length; ) {
      const n = Math.min(CHUNK, start + length - at);
      readAll(fd, chunk, n);
      const w = host.pwrite(memory.fd, chunk, 0, n, at);
      if (w !== n) throw new StateError(`state: writing memory: ${w < 0 ? linuxerr.nameOf(-w) : "short write"}`);
      at += n;
    }
  }
}
