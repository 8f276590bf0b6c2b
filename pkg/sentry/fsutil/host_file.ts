import { MAP_SHARED, PAGE_SIZE, PROT_READ, PROT_WRITE } from "../../abi/linux/mm.ts";
import * as linuxerr from "../../errors/linuxerr/index.ts";
import * as host from "../../hostsyscall/index.ts";
import { stateType } from "../../state/index.ts";
import {
  AccessExec,
  AccessRead,
  AccessWrite,
  type File,
  type FileCloseListener,
  type FileIDs,
  type Translation,
} from "../memmap/index.ts";

/** The sentry maps host files in pieces of this size: host address space is plenty, mappings are not. */
const CHUNK_SIZE = 64 * 1024 * 1024;
/** The most pieces of one file. None is unmapped before the file is closed: its address may be in an iovec under way. */
const MAX_CHUNKS = 4096;

/**
 * An open host file as memory (memmap.File): one host descriptor with the pieces of it that the sentry has mapped. It owns the
 * descriptor, which is closed when the last user (an open description, a cache) and the last mapped page have gone.
 */
export class HostFile implements File {
  static readonly stateType = stateType(
    "fsutil.HostFile",
    ["readable", "writable", "users", "mappedPages"],
    ["fd", "fileID", "chunks", "closeListener", "waits"],
  );
  /** -1 once closed. */
  fd: number;
  readonly fileID: number;
  /** Whether the descriptor is open for reading, without which nothing can be mapped. */
  readonly readable: boolean;
  /** Whether the descriptor is open for writing; otherwise mappings of it are read-only. */
  readonly writable: boolean;
  /** Descriptions and caches that use the descriptor. */
  users = 1;
  /** Page references held by mappings. */
  mappedPages = 0;
  /** The host cannot read it without waiting for the disk (RWF_NOWAIT). */
  waits = false;
  /** Chunk number to host address. */
  chunks: Map<number, number> | null = null;
  closeListener: FileCloseListener | null = null;

  constructor(fd: number, readable: boolean, writable: boolean, ids: FileIDs) {
    this.fd = fd;
    this.readable = readable;
    this.writable = writable;
    this.fileID = ids.newFileID();
  }

  hostFD(): number {
    return this.fd;
  }

  mapInternal(offset: number): number {
    const chunk = Math.floor(offset / CHUNK_SIZE);
    this.chunks ??= new Map();
    let address = this.chunks.get(chunk);
    if (address === undefined) {
      if (this.chunks.size >= MAX_CHUNKS) throw linuxerr.ENOMEM;
      const prot = this.writable ? PROT_READ | PROT_WRITE : PROT_READ;
      address = host.mmap(0, CHUNK_SIZE, prot, MAP_SHARED, this.fd, chunk * CHUNK_SIZE);
      if (address < 0) throw linuxerr.fromErrno(-address);
      this.chunks.set(chunk, address);
    }
    return address + (offset - chunk * CHUNK_SIZE);
  }

  mappedLength(offset: number): number {
    return CHUNK_SIZE - (offset % CHUNK_SIZE);
  }

  incRef(_offset: number, length: number): void {
    this.mappedPages += Math.ceil(length / PAGE_SIZE);
  }

  decRef(_offset: number, length: number): void {
    this.mappedPages -= Math.ceil(length / PAGE_SIZE);
    if (this.mappedPages < 0) throw new Error("fsutil: host file has more unmapped than mapped pages");
    this.closeIfUnused();
  }

  listenClose(listener: FileCloseListener): void {
    this.closeListener = listener;
  }

  /** Another user of the descriptor. */
  incUsers(): void {
    this.users++;
  }

  /** A user has gone. */
  decUsers(): void {
    this.users--;
    if (this.users < 0) throw new Error("fsutil: host file has negative users");
    this.closeIfUnused();
  }

  closeIfUnused(): void {
    if (this.users > 0 || this.mappedPages > 0 || this.fd < 0) return;
    if (this.chunks !== null) {
      for (const address of this.chunks.values()) host.munmap(address, CHUNK_SIZE);
      this.chunks = null;
    }
    this.closeListener?.fileClosed(this);
    this.closeListener = null;
    host.close(this.fd);
    this.fd = -1;
  }

  /**
   * memmap.Mappable.translate for a file of `size` bytes that is this descriptor from first to last byte. Pages behind the one
   * with the last byte do not exist. All of the file up to optionalEnd is offered: touching it is the host's business.
   */
  translate(start: number, end: number, optionalEnd: number, access: number, size: number): Translation[] {
    const limit = Math.ceil(size / PAGE_SIZE) * PAGE_SIZE;
    if (start >= limit || !this.readable || ((access & AccessWrite) !== 0 && !this.writable)) return [];
    const perms = AccessRead | AccessExec | (this.writable ? AccessWrite : 0);
    return [{ start, end: Math.min(Math.max(end, optionalEnd), limit), file: this, offset: start, perms }];
  }
}
