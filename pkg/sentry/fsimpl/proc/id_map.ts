import { CAP_SETGID, CAP_SETUID, CAP_SYS_ADMIN } from "../../../abi/linux/capability.ts";
import * as linuxerr from "../../../errors/linuxerr/index.ts";
import { stateType } from "../../../state/index.ts";
import { IDMapEntry, NO_ID, type UserNamespace } from "../../kernel/auth/user_namespace.ts";
import type { Task } from "../../kernel/task.ts";
import type { Dentry } from "../../vfs/index.ts";
import { DynamicBytesInode } from "../kernfs/index.ts";
import { isGone, ownerGID, ownerUID } from "./access.ts";
import type { ProcFilesystem } from "./filesystem.ts";

/** Lines a map may have (UID_GID_MAP_MAX_EXTENTS). */
const MAX_LINES = 340;

/** /proc/[pid]/uid_map, gid_map and setgroups; rules in user_namespaces(7). */
export class IDMapFile extends DynamicBytesInode {
  static override readonly stateType = stateType("proc.IDMapFile", ["task", "which"]);
  readonly task: Task;
  readonly which: "uid_map" | "gid_map" | "setgroups";

  constructor(fs: ProcFilesystem, task: Task, which: "uid_map" | "gid_map" | "setgroups", ino: number) {
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

  override revalidate(_d: Dentry): boolean {
    return !isGone(this.task);
  }

  override generate(): string {
    const ns = this.task.creds.userNamespace;
    if (this.which === "setgroups") return ns.setgroupsAllowed ? "allow\n" : "deny\n";
    const isUID = this.which === "uid_map";
    // Seen from the reader's namespace, or from the parent when the reader is inside.
    const readerNS = (this.fs as ProcFilesystem).reader()?.creds.userNamespace ?? ns;
    const viewer = readerNS === ns && ns.parent !== null ? ns.parent : readerNS;
    let s = "";
    for (const e of isUID ? ns.uidMap : ns.gidMap) {
      const lower = isUID ? viewer.mapFromKUID(e.lower) : viewer.mapFromKGID(e.lower);
      s += `${String(e.first).padStart(10)} ${String(lower).padStart(10)} ${String(e.length).padStart(10)}\n`;
    }
    return s;
  }

  override writeBytes(data: string, offset: number): number {
    const ns = this.task.creds.userNamespace;
    if (this.which === "setgroups") return this.writeSetgroups(ns, data, offset);
    if (offset !== 0 || data.length >= 4096) throw linuxerr.EINVAL;
    const writer = (this.fs as ProcFilesystem).reader();
    if (writer === null) throw linuxerr.EPERM;
    const isUID = this.which === "uid_map";
    const parent = ns.parent;
    if (parent === null || (isUID ? ns.uidMap : ns.gidMap).length > 0) throw linuxerr.EPERM;
    const w = writer.creds;
    if (w.userNamespace !== ns && w.userNamespace !== parent) throw linuxerr.EPERM;
    if (!w.hasCapabilityIn(CAP_SYS_ADMIN, ns)) throw linuxerr.EPERM;
    const lines = parse(data);
    if (!this.permitted(writer, ns, parent, lines, isUID)) throw linuxerr.EPERM;
    const map: IDMapEntry[] = [];
    for (const l of lines) {
      const lower = isUID ? parent.mapToKUID(l.lower) : parent.mapToKGID(l.lower);
      const last = isUID ? parent.mapToKUID(l.lower + l.length - 1) : parent.mapToKGID(l.lower + l.length - 1);
      if (lower === NO_ID || last !== lower + l.length - 1) throw linuxerr.EPERM;
      map.push(new IDMapEntry(l.first, lower, l.length));
    }
    if (isUID) ns.uidMap = map;
    else ns.gidMap = map;
    return data.length;
  }

  /** new_idmap_permitted(): one's own id alone, or with the capability over the parent. */
  permitted(writer: Task, ns: UserNamespace, parent: UserNamespace, lines: IDMapEntry[], isUID: boolean): boolean {
    const w = writer.creds;
    const only = lines[0];
    if (lines.length === 1 && only !== undefined && only.length === 1 && ns.owner === w.effectiveKUID) {
      if (isUID && parent.mapToKUID(only.lower) === w.effectiveKUID) return true;
      if (!isUID && !ns.setgroupsAllowed && parent.mapToKGID(only.lower) === w.effectiveKGID) return true;
    }
    return w.hasCapabilityIn(isUID ? CAP_SETUID : CAP_SETGID, parent);
  }

  writeSetgroups(ns: UserNamespace, data: string, offset: number): number {
    const writer = (this.fs as ProcFilesystem).reader();
    if (writer === null || !writer.creds.hasCapabilityIn(CAP_SYS_ADMIN, ns)) throw linuxerr.EPERM;
    if (offset !== 0 || data.length >= 8) throw linuxerr.EINVAL;
    const word = data.trimEnd();
    if (word === "allow") {
      if (!ns.setgroupsAllowed) throw linuxerr.EPERM;
    } else if (word === "deny") {
      if (ns.gidMap.length > 0 && ns.setgroupsAllowed) throw linuxerr.EPERM;
      ns.setgroupsAllowed = false;
    } else throw linuxerr.EINVAL;
    return data.length;
  }
}

/** The lines of a map: (first, lower, length); EINVAL for anything odd. */
function parse(data: string): IDMapEntry[] {
  const out: IDMapEntry[] = [];
  const body = data.endsWith("\n") ? data.slice(0, -1) : data;
  for (const line of body.split("\n")) {
    const fields = line.trim().split(/[ \t]+/);
    if (fields.length !== 3) throw linuxerr.EINVAL;
    const [first, lower, length] = fields.map(toID);
    if (first === undefined || lower === undefined || length === undefined) throw linuxerr.EINVAL;
    if (first < 0 || lower < 0 || length <= 0) throw linuxerr.EINVAL;
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
