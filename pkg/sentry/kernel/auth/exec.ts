import {
  CAP_SETUID,
  SECBIT_KEEP_CAPS,
  SECBIT_NOROOT,
  VFS_CAP_FLAGS_EFFECTIVE,
  VFS_CAP_REVISION_2,
  VFS_CAP_REVISION_3,
  XATTR_CAPS_SZ_2,
  XATTR_CAPS_SZ_3,
} from "../../../abi/linux/capability.ts";
import * as linuxerr from "../../../errors/linuxerr/index.ts";
import { CapabilitySet, EMPTY_CAPS } from "./capability_set.ts";
import type { Credentials } from "./credentials.ts";
import type { UserNamespace } from "./user_namespace.ts";

/** Capabilities attached to a file (security.capability, capabilities(7)). */
export interface FileCapabilities {
  permitted: CapabilitySet;
  inheritable: CapabilitySet;
  effective: boolean;
  /** User id that is root in the namespaces this applies to; 0 for version 2. */
  rootUID: number;
}

/** Decodes the value of security.capability as Linux does at exec; EINVAL when malformed. */
export function parseFileCapabilities(value: Uint8Array): FileCapabilities {
  if (value.length < 4) throw linuxerr.EINVAL;
  const v = new DataView(value.buffer, value.byteOffset, value.byteLength);
  const magic = v.getUint32(0, true);
  const revision = (magic & 0xff000000) >>> 0;
  let rootUID = 0;
  if (revision === VFS_CAP_REVISION_2) {
    if (value.length !== XATTR_CAPS_SZ_2) throw linuxerr.EINVAL;
  } else if (revision === VFS_CAP_REVISION_3) {
    if (value.length !== XATTR_CAPS_SZ_3) throw linuxerr.EINVAL;
    rootUID = v.getUint32(20, true);
  } else {
    throw linuxerr.EINVAL;
  }
  return {
    permitted: new CapabilitySet(v.getUint32(4, true), v.getUint32(12, true)),
    inheritable: new CapabilitySet(v.getUint32(8, true), v.getUint32(16, true)),
    effective: (magic & VFS_CAP_FLAGS_EFFECTIVE) !== 0,
    rootUID,
  };
}

/** What exec knows about the file when it computes new credentials. */
export interface ExecPrivileges {
  /** Kernel user id to become, or -1: no set-user-ID bit, a nosuid mount, or no_new_privs. */
  setKUID: number;
  /** Kernel group id to become, or -1. */
  setKGID: number;
  fileCaps: FileCapabilities | null;
  noNewPrivs: boolean;
  /** A tracer without CAP_SYS_PTRACE over the new credentials, or fs state shared with another process: privileges are not gained. */
  unsafe: boolean;
}

/** The outcome of execCredentials. */
export interface ExecCredentials {
  creds: Credentials;
  /** AT_SECURE. */
  secureExec: boolean;
}

/** The credentials after execve(2) (capabilities(7), "Transformation of capabilities during execve()"). */
export function execCredentials(old: Credentials, p: ExecPrivileges): ExecCredentials {
  const plain = p.setKUID < 0 && p.setKGID < 0 && p.fileCaps === null;
  if (plain && old.execsAsItIs) return { creds: old, secureExec: false };
  const c = old.fork();
  const root = c.userNamespace.mapToKUID(0);
  if (p.setKUID >= 0) c.effectiveKUID = p.setKUID;
  if (p.setKGID >= 0) c.effectiveKGID = p.setKGID;

  let effective = false;
  let hasFileCaps = false;
  c.permittedCaps = EMPTY_CAPS;
  const f = p.fileCaps;
  if (f !== null && rootOwnsNamespace(f.rootUID, c.userNamespace)) {
    effective = f.effective;
    hasFileCaps = true;
    c.permittedCaps = c.boundingCaps.intersect(f.permitted).union(c.inheritableCaps.intersect(f.inheritable));
    // A program that does not know capabilities must not run with fewer than it was given.
    if (effective && !f.permitted.isSubsetOf(c.permittedCaps)) throw linuxerr.EPERM;
  }
  const suidRoot = c.effectiveKUID === root && c.realKUID !== root;
  if ((c.securebits & SECBIT_NOROOT) === 0 && !(hasFileCaps && suidRoot)) {
    if (c.effectiveKUID === root || c.realKUID === root) {
      c.permittedCaps = old.boundingCaps.union(old.inheritableCaps);
    }
    if (c.effectiveKUID === root) effective = true;
  }

  const isSetID = c.effectiveKUID !== old.realKUID || c.effectiveKGID !== old.realKGID;
  const gained = !c.permittedCaps.isSubsetOf(old.permittedCaps);
  if ((isSetID || gained) && (p.unsafe || p.noNewPrivs)) {
    if (p.noNewPrivs || !old.hasCapability(CAP_SETUID)) {
      c.effectiveKUID = c.realKUID;
      c.effectiveKGID = c.realKGID;
    }
    c.permittedCaps = c.permittedCaps.intersect(old.permittedCaps);
  }
  c.savedKUID = c.effectiveKUID;
  c.fsKUID = c.effectiveKUID;
  c.savedKGID = c.effectiveKGID;
  c.fsKGID = c.effectiveKGID;
  if (hasFileCaps || isSetID) c.ambientCaps = EMPTY_CAPS;
  c.permittedCaps = c.permittedCaps.union(c.ambientCaps);
  c.effectiveCaps = effective ? c.permittedCaps : c.ambientCaps;
  c.securebits &= ~SECBIT_KEEP_CAPS;
  const grew = !c.permittedCaps.isSubsetOf(c.ambientCaps);
  const secureExec = isSetID || (c.realKUID !== root && (effective || grew));
  if (!c.equals(old)) return { creds: c, secureExec };
  // What is known to be allowed to the old ones stays known. Nothing but them decided here, and in the first namespace no ids come to be mapped later.
  if (plain && !secureExec && old.userNamespace.parent === null) old.execsAsItIs = true;
  return { creds: old, secureExec };
}

/** Whether the kernel uid is root of the namespace or of one above it. */
export function rootOwnsNamespace(rootUID: number, ns: UserNamespace): boolean {
  let n: UserNamespace | null = ns;
  while (n !== null) {
    if (n.mapFromKUID(rootUID) === 0) return true;
    n = n.parent;
  }
  return false;
}
