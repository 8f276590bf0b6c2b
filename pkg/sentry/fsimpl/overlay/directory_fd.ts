import { DT_CHR, DT_DIR } from "../../../abi/linux/dirent.ts";
import { SEEK_SET } from "../../../abi/linux/file.ts";
import * as linuxerr from "../../../errors/linuxerr/index.ts";
import { stateType } from "../../../state/index.ts";
import {
  type Dentry,
  DIR_FIRST_OFFSET,
  DirectoryFileDescription,
  type DirentCallback,
  type FileDescription,
  lookupChild,
  type VirtualDentry,
} from "../../vfs/index.ts";
import type { OverlayDirectory } from "./directory.ts";
import { isWhiteout } from "./inode.ts";

/** An entry of a layer above the last one. */
export class SnapshotEntry {
  static readonly stateType = stateType("overlay.SnapshotEntry", ["name", "type", "ino"]);
  readonly name: string;
  readonly type: number;
  readonly ino: number;

  constructor(name: string, type: number, ino: number) {
    this.name = name;
    this.type = type;
    this.ino = ino;
  }
}

/**
 * An open directory. Of all layers but the last the names are read when reading starts; the last, usually the large one, is streamed with
 * those names left out. Offsets: 0 ".", 1 "..", then the names read, then the offsets of the last layer.
 */
export class OverlayDirectoryDescription extends DirectoryFileDescription implements DirentCallback {
  static override readonly stateType = stateType(
    "overlay.DirectoryDescription",
    ["directory", "entries", "names", "last", "lastLayer", "lastDev"],
    ["callback", "collecting"],
  );
  readonly directory: OverlayDirectory;
  /** What the layers above the last one show; null: not read. */
  entries: SnapshotEntry[] | null = null;
  /** Names that the last layer must not show again: entries and whiteouts. */
  names: Set<string> | null = null;
  /** The last layer's directory, open; null until needed. */
  last: FileDescription | null = null;
  lastLayer: Dentry | null = null;
  /** Its device, which tells its inode numbers from those of other layers. */
  lastDev = 0;
  /** Where entries go during iterDirents. */
  callback: DirentCallback | null = null;
  /** The layer being read into `entries`, during start(). */
  collecting: Dentry | null = null;

  constructor(vd: VirtualDentry, flags: number, directory: OverlayDirectory) {
    super(vd, flags);
    this.directory = directory;
  }

  afterLoad(): void {
    this.callback = null;
    this.collecting = null;
  }

  /** Reads the upper layers and opens the last. */
  start(): SnapshotEntry[] {
    this.stop();
    const dir = this.directory;
    const o = dir.overlay;
    const entries: SnapshotEntry[] = [];
    this.entries = entries;
    const { upper, lowers } = dir;
    const first = upper === null ? 0 : -1;
    for (let i = first; i < lowers.length; i++) {
      const layer = i < 0 ? upper : lowers[i];
      if (layer === undefined || layer === null) continue;
      const place = i < 0 ? o.upperPlace(layer) : o.lowerPlace(layer);
      const fd = layer.inode.open(place, 0, o.creds);
      if (i === lowers.length - 1) {
        this.last = fd;
        this.lastLayer = layer;
        if (dir.lastDev < 0) {
          layer.inode.stat(o.statx);
          dir.lastDev = o.statx.dev;
        }
        this.lastDev = dir.lastDev;
        break;
      }
      this.collecting = layer;
      try {
        fd.iterDirents(this);
      } finally {
        this.collecting = null;
        fd.decRef();
      }
    }
    return entries;
  }

  /** Forgets what start() has read. */
  stop(): void {
    this.last?.decRef();
    this.last = null;
    this.lastLayer = null;
    this.entries = null;
    this.names = null;
  }

  /** Entries of the layers: see DirentCallback. */
  handle(name: string, type: number, ino: number, nextOff: number): boolean {
    if (name === "." || name === "..") return true;
    if (this.names?.has(name) === true) return true;
    const layer = this.collecting;
    if (layer !== null) {
      this.names ??= new Set();
      this.names.add(name);
      const d = lookupChild(layer, name);
      if (d === null || (type === DT_CHR && isWhiteout(d))) return true;
      this.entries?.push(new SnapshotEntry(name, type, this.inoOf(layer, d, type, ino)));
      return true;
    }
    return this.handleLast(name, type, ino, nextOff);
  }

  /** The inode number that the file will show when it is looked up. */
  inoOf(layer: Dentry, d: Dentry, type: number, ino: number): number {
    const dir = this.directory;
    const known = this.vd.dentry.children?.get(d.name);
    if (known !== undefined) return known.inode.ino;
    const o = dir.overlay;
    if (type === DT_DIR) {
      // A merged directory has the number of its topmost lower one.
      if (layer !== dir.upper || dir.isOpaque(d)) return o.layerIno(d.inode);
      for (const l of dir.lowers) {
        const c = lookupChild(l, d.name);
        if (c === null) continue;
        if (isWhiteout(c) || !c.inode.isDir()) break;
        return o.layerIno(c.inode);
      }
      return o.layerIno(d.inode);
    }
    if (layer === dir.upper) return o.upperIno(d.inode);
    layer.inode.stat(o.statx);
    return o.packIno(o.statx.dev, ino);
  }

  /** An entry of the last layer, when it is read for the guest. */
  handleLast(name: string, type: number, ino: number, nextOff: number): boolean {
    const cb = this.callback;
    const layer = this.lastLayer;
    if (cb === null || layer === null) return false;
    const dir = this.directory;
    const isUpper = layer === dir.upper;
    if (type === DT_CHR) {
      const d = lookupChild(layer, name);
      if (d !== null && isWhiteout(d)) return true;
    }
    let shown = dir.overlay.packIno(this.lastDev, ino);
    if (isUpper) {
      const d = lookupChild(layer, name);
      if (d !== null) shown = this.inoOf(layer, d, type, ino);
    } else if (dir.upper !== null) {
      // Removed since the upper layer was read?
      const u = lookupChild(dir.upper, name);
      if (u !== null && isWhiteout(u)) return true;
    }
    return cb.handle(name, type, shown, DIR_FIRST_OFFSET + (this.entries?.length ?? 0) + nextOff);
  }

  override iterDirents(cb: DirentCallback): void {
    const place = this.vd.dentry;
    if (!place.hashed && place.deleted) throw linuxerr.ENOENT;
    if (this.offset === 0) {
      if (!cb.handle(".", DT_DIR, this.inode.ino, 1)) return;
      this.offset = 1;
    }
    if (this.offset === 1) {
      if (!cb.handle("..", DT_DIR, (place.parent ?? place).inode.ino, DIR_FIRST_OFFSET)) return;
      this.offset = DIR_FIRST_OFFSET;
    }
    const entries = this.entries ?? this.start();
    const base = DIR_FIRST_OFFSET + entries.length;
    while (this.offset < base) {
      const e = entries[this.offset - DIR_FIRST_OFFSET];
      if (e !== undefined && !cb.handle(e.name, e.type, e.ino, this.offset + 1)) return;
      this.offset++;
    }
    const last = this.last;
    if (last === null) return;
    if (last.position() !== this.offset - base) last.seek(this.offset - base, SEEK_SET);
    this.callback = cb;
    try {
      const plain = this.directory.upper === null && this.names === null;
      if (plain && cb.take !== undefined) {
        last.giveDirents(cb, this, this.directory.overlay.packIno(this.lastDev, 0), base);
      } else last.iterDirents(this);
    } finally {
      this.callback = null;
    }
    this.offset = base + last.position();
    this.vd.mount.touchAtime(this.inode, this.statusFlags);
  }

  override moveTo(to: number): void {
    // rewinddir(3) shows what is there now.
    if (to === 0) this.stop();
  }

  override release(): void {
    this.stop();
    super.release();
  }
}
