import { CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH } from "../../abi/linux/capability.ts";
import * as errno from "../../abi/linux/errno.ts";
import { S_IFDIR, S_IFMT, S_IXUGO } from "../../abi/linux/stat.ts";
import type { Credentials } from "../kernel/auth/index.ts";

/** Access masks, equal to the bits of one rwx triple. */
export const MAY_EXEC = 1;
export const MAY_WRITE = 2;
export const MAY_READ = 4;

/** The access check of path_resolution(7) for a file with the given mode and owner: 0 or -EACCES. */
export function checkModePermissions(
  creds: Credentials,
  mask: number,
  mode: number,
  kuid: number,
  kgid: number,
): number {
  let perms = mode;
  if (creds.fsKUID === kuid) perms >>= 6;
  else if ((mode & 0o070) >> 3 !== (mode & 0o007) && creds.inGroup(kgid)) perms >>= 3;
  if ((mask & ~perms & 7) === 0) return 0;
  if ((mode & S_IFMT) === S_IFDIR) {
    if ((mask & MAY_WRITE) === 0 && creds.capableOverFile(CAP_DAC_READ_SEARCH, kuid, kgid)) return 0;
    return creds.capableOverFile(CAP_DAC_OVERRIDE, kuid, kgid) ? 0 : -errno.EACCES;
  }
  if (mask === MAY_READ && creds.capableOverFile(CAP_DAC_READ_SEARCH, kuid, kgid)) return 0;
  // Executing needs somebody's x bit even for those who may do everything.
  const executable = (mask & MAY_EXEC) === 0 || (mode & S_IXUGO) !== 0;
  return executable && creds.capableOverFile(CAP_DAC_OVERRIDE, kuid, kgid) ? 0 : -errno.EACCES;
}
