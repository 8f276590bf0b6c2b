import { CAP_SETFCAP, CAP_SETGID, CAP_SETUID, CAP_SYS_ADMIN } from "../../../abi/linux/capability.ts";
import { O_RDONLY } from "../../../abi/linux/file.ts";
import { PAGE_SIZE } from "../../../abi/linux/mm.ts";
import * as linuxerr from "../../../errors/linuxerr/index.ts";
import { stateType } from "../../../state/index.ts";
import { type Credentials, IDMapEntry, NO_ID, type UserNamespace } from "../../kernel/auth/index.ts";
import type { Task } from "../../kernel/task.ts";
import type { IOSequence } from "../../usermem/index.ts";
import type { FileDescription, VirtualDentry } from "../../vfs/index.ts";
import { DynamicBytesFileDescription, DynamicBytesInode } from "../kernfs/index.ts";
import { isGone, ownerGID, ownerUID } from "./access.ts";
import type { ProcFilesystem } from "./filesystem.ts";

/** Lines a map may have (UID_GID_MAP_MAX_EXTENTS). */
const MAX_LINES = 340;
/** Longest write to setgroups. */
const MAX_SETGROUPS = 7;

/** The files about a user namespace. */
type IDMapName = "uid_map" | "gid_map" | "setgroups";

/** /proc/[pid]/uid_map, gid_map and setgroups. */
export class IDMapFile extends DynamicBytesInode {
  static override readonly stateType = stateType("proc.IDMapFile", ["task", "which"]);
  readonly task: Task;
  readonly which: IDMapName;

  constructor(fs: ProcFilesystem, task: Task, which: IDMapName, ino: number) {
    super(fs, 0o644, ino);
    this.task = task;
    this.which = which;
  }

  override uid(): number {
    return ownerUID(this.task);
  }

  override gid(): number {
    return ownerGID(this.task);
  }

  override chmodAllowed(): boolean {
    return false;
  }

  override revalidate(): boolean {
    return !isGone(this.task);
  }

  override generate(): string {
    throw linuxerr.EIO;
  }

  override open(vd: VirtualDentry, flags: number, creds: Credentials): FileDescription {
    if (isGone(this.task)) throw linuxerr.EINVAL;
    const ns = this.task.creds.userNamespace;
    if (this.which === "setgroups" && (flags & 3) !== O_RDONLY && !creds.hasCapabilityIn(CAP_SYS_ADMIN, ns)) {
      throw linuxerr.EACCES;
    }
    return new IDMapFileDescription(vd, flags, this, ns, creds);
  }
}

/** An open IDMapFile: it belongs to the namespace the process was in when it was opened, and to whom opened it; rules in user_namespaces(7). */
export class IDMapFileDescription extends DynamicBytesFileDescription {
  static override readonly stateType = stateType("proc.IDMapFileDescription", ["which", "namespace", "opener"]);
  readonly which: IDMapName;
  readonly namespace: UserNamespace;
  readonly opener: Credentials;

  constructor(vd: VirtualDentry, flags: number, file: IDMapFile, namespace: UserNamespace, opener: Credentials) {
    super(vd, flags, file);
    this.which = file.which;
    this.namespace = namespace;
    this.opener = opener;
    namespace.incRef();
  }

  override release(): void {
    super.release();
    this.namespace.decRef();
  }

  override content(offset: number): Buffer {
    if (offset === 0 || this.data === null) this.data = Buffer.from(this.text(), "latin1");
    return this.data;
  }

  /** What reading gives: ids as the opener's namespace has them, or the parent when that is the namespace itself. */
  text(): string {
    const ns = this.namespace;
    if (this.which === "setgroups") return ns.setgroupsAllowed ? "allow\n" : "deny\n";
    const isUID = this.which === "uid_map";
    const opener = this.opener.userNamespace;
    const viewer = opener === ns && ns.parent !== null ? ns.parent : opener;
    let s = "";
    for (const e of isUID ? ns.uidMap : ns.gidMap) {
      const lower = isUID ? viewer.mapFromKUID(e.lower) : viewer.mapFromKGID(e.lower);
      s += `${String(e.first).padStart(10)} ${String(lower).padStart(10)} ${String(e.length).padStart(10)}\n`;
    }
    return s;
  }

  override pwrite(): number {
    throw linuxerr.ESPIPE;
  }

  override write(src: IOSequence): number {
    const n = src.numBytes();
    const max = this.which === "setgroups" ? MAX_SETGROUPS : PAGE_SIZE - 1;
    const ns = this.namespace;
    const parent = ns.parent;
    if (this.which !== "setgroups") {
      if (parent === null) throw linuxerr.EPERM;
      if (this.opener.userNamespace !== ns && this.opener.userNamespace !== parent) throw linuxerr.EPERM;
    }
    if (this.offset !== 0 || n > max) throw linuxerr.EINVAL;
    const buf = Buffer.alloc(n);
    const data = buf.toString("latin1", 0, src.copyIn(buf, 0, n));
    if (this.which === "setgroups") this.setSetgroups(data);
    else if (parent !== null) {
      this.setMap(parent, data, this.which === "uid_map");
      this.offset = n;
    }
    return n;
  }

  /** A map is written once, by somebody who may give out the ids it maps to. EPERM, EINVAL. */
  setMap(parent: UserNamespace, data: string, isUID: boolean): void {
    const ns = this.namespace;
    if ((isUID ? ns.uidMap : ns.gidMap).length > 0) throw linuxerr.EPERM;
    if (!this.opener.hasCapabilityIn(CAP_SYS_ADMIN, ns)) throw linuxerr.EPERM;
    const lines = parse(data);
    if (!this.permitted(parent, lines, isUID)) throw linuxerr.EPERM;
    const map: IDMapEntry[] = [];
    for (const l of lines) {
      const lower = parent.mapRange(isUID, l.lower, l.length);
      if (lower === NO_ID) throw linuxerr.EPERM;
      map.push(new IDMapEntry(l.first, lower, l.length));
    }
    if (isUID) ns.uidMap = map;
    else ns.gidMap = map;
  }

  /** new_idmap_permitted(): the creator's own id alone, or with the capability over the parent. */
  permitted(parent: UserNamespace, lines: readonly IDMapEntry[], isUID: boolean): boolean {
    const ns = this.namespace;
    const o = this.opener;
    if (isUID && lines.some(mapsRoot)) {
      // Root of the parent could give capabilities to files: that takes the capability to do so.
      const may = ns === o.userNamespace ? ns.parentCouldSetfcap : o.hasCapabilityIn(CAP_SETFCAP, parent);
      if (!may) return false;
    }
    const only = lines[0];
    if (lines.length === 1 && only !== undefined && only.length === 1 && ns.owner === o.effectiveKUID) {
      if (isUID && parent.mapToKUID(only.lower) === o.effectiveKUID) return true;
      if (!isUID && !ns.setgroupsAllowed && parent.mapToKGID(only.lower) === o.effectiveKGID) return true;
    }
    const cap = isUID ? CAP_SETUID : CAP_SETGID;
    const writer = (this.inode.fs as ProcFilesystem).reader()?.creds ?? o;
    return writer.hasCapabilityIn(cap, parent) && o.hasCapabilityIn(cap, parent);
  }

  /** "deny" for good, before the gid map is there; "allow" while nothing was denied. EPERM, EINVAL. */
  setSetgroups(data: string): void {
    const ns = this.namespace;
    const m = /^(allow|deny)[ \t\n\v\f\r]*(?:\0|$)/.exec(data);
    if (m === null) throw linuxerr.EINVAL;
    if (m[1] === "allow") {
      if (!ns.setgroupsAllowed) throw linuxerr.EPERM;
      return;
    }
    if (ns.gidMap.length > 0) throw linuxerr.EPERM;
    ns.setgroupsAllowed = false;
  }
}

function mapsRoot(e: IDMapEntry): boolean {
  return e.lower === 0;
}

/** The lines of a map: (first, lower, length); EINVAL for anything odd. */
function parse(data: string): IDMapEntry[] {
  const out: IDMapEntry[] = [];
  const nul = data.indexOf("\0");
  const whole = nul < 0 ? data : data.slice(0, nul);
  const body = whole.endsWith("\n") ? whole.slice(0, -1) : whole;
  for (const line of body.split("\n")) {
    const fields = line.trim().split(/[ \t\v\f\r]+/);
    if (fields.length !== 3) throw linuxerr.EINVAL;
    const [first, lower, length] = fields.map(toID);
    if (first === undefined || lower === undefined || length === undefined) throw linuxerr.EINVAL;
    if (first < 0 || lower < 0 || length <= 0 || first === NO_ID || lower === NO_ID) throw linuxerr.EINVAL;
    // Neither range may wrap.
    if (first + length > NO_ID || lower + length > NO_ID) throw linuxerr.EINVAL;
    for (const e of out) {
      if (first < e.first + e.length && e.first < first + length) throw linuxerr.EINVAL;
      if (lower < e.lower + e.length && e.lower < lower + length) throw linuxerr.EINVAL;
    }
    out.push(new IDMapEntry(first, lower, length));
    if (out.length > MAX_LINES) throw linuxerr.EINVAL;
  }
  return out;
}

function toID(s: string): number {
  return /^[0-9]{1,10}$/.test(s) ? Number(s) : -1;
}
