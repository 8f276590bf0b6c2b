import {
  CAP_SETFCAP,
  VFS_CAP_FLAGS_EFFECTIVE,
  VFS_CAP_REVISION_2,
  VFS_CAP_REVISION_3,
  VFS_CAP_REVISION_MASK,
  XATTR_CAPS_SZ_2,
  XATTR_CAPS_SZ_3,
} from "../../../abi/linux/capability.ts";
import * as errno from "../../../abi/linux/errno.ts";
import * as linuxerr from "../../../errors/linuxerr/index.ts";
import type { Credentials } from "./credentials.ts";
import { rootOwnsNamespace } from "./exec.ts";
import { NO_ID } from "./user_namespace.ts";

/** Offset of the root id in version 3. */
const ROOTID = 20;

/** The value's bytes, or null when it is no security.capability of version 2 or 3. */
function parse(value: string): Buffer | null {
  const b = Buffer.from(value, "latin1");
  if (b.length < 4) return null;
  const revision = (b.readUInt32LE(0) & VFS_CAP_REVISION_MASK) >>> 0;
  const v2 = revision === VFS_CAP_REVISION_2 && b.length === XATTR_CAPS_SZ_2;
  return v2 || (revision === VFS_CAP_REVISION_3 && b.length === XATTR_CAPS_SZ_3) ? b : null;
}

/** The same capabilities as version 3 for a root id, or as version 2 for null. */
function withRoot(b: Buffer, rootid: number | null): string {
  const out = Buffer.alloc(rootid === null ? XATTR_CAPS_SZ_2 : XATTR_CAPS_SZ_3);
  b.copy(out, 0, 0, XATTR_CAPS_SZ_2);
  const revision = rootid === null ? VFS_CAP_REVISION_2 : VFS_CAP_REVISION_3;
  out.writeUInt32LE((revision | (b.readUInt32LE(0) & VFS_CAP_FLAGS_EFFECTIVE)) >>> 0, 0);
  if (rootid !== null) out.writeUInt32LE(rootid, ROOTID);
  return out.toString("latin1");
}

function rootOf(b: Buffer): number {
  return b.length === XATTR_CAPS_SZ_3 ? b.readUInt32LE(ROOTID) : 0;
}

/** What reading a stored security.capability gives in the reader's user namespace (cap_inode_getsecurity()): the value or a negative errno. */
export function readFileCapabilities(value: string, creds: Credentials): string | number {
  const b = parse(value);
  if (b === null) return -errno.EINVAL;
  const kroot = rootOf(b);
  const ns = creds.userNamespace;
  const mapped = ns.mapFromKUID(kroot);
  if (mapped !== NO_ID && mapped !== 0) return withRoot(b, mapped);
  return rootOwnsNamespace(kroot, ns) ? withRoot(b, null) : -errno.EOVERFLOW;
}

/**
 * What is stored when a security.capability is written to a file of this owner and group (cap_convert_nscap()): what a user namespace gives to a
 * file counts in that namespace only. EINVAL, EPERM.
 */
export function writeFileCapabilities(value: string, creds: Credentials, kuid: number, kgid: number): string {
  const b = parse(value);
  if (b === null) throw linuxerr.EINVAL;
  if (!creds.capableOverFile(CAP_SETFCAP, kuid, kgid)) throw linuxerr.EPERM;
  if (b.length === XATTR_CAPS_SZ_2 && creds.capable(CAP_SETFCAP)) return value;
  const kroot = creds.userNamespace.mapToKUID(rootOf(b));
  if (kroot === NO_ID) throw linuxerr.EINVAL;
  return withRoot(b, kroot);
}
