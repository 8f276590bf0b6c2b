import { F_SEAL_EXEC, F_SEAL_SEAL, O_LARGEFILE, O_RDWR } from "../../../abi/linux/file.ts";
import { S_IFREG, S_IXUGO } from "../../../abi/linux/stat.ts";
import type { Credentials } from "../../kernel/auth/index.ts";
import { Dentry, type Mount, VirtualDentry } from "../../vfs/index.ts";
import { TmpfsFileDescription, TmpfsRegularFile } from "./regular_file.ts";
import { Tmpfs } from "./tmpfs.ts";

/** How memfd_create(2) was asked to make a file. */
export interface MemfdOptions {
  /** MFD_ALLOW_SEALING or MFD_NOEXEC_SEAL. */
  sealable: boolean;
  /** MFD_NOEXEC_SEAL: not executable, and sealed so. */
  noExec: boolean;
}

/** memfd_create(2): an open file without a name, in the internal tmpfs shown by `mount`. The name was checked by the caller. */
export function newMemfd(mount: Mount, creds: Credentials, name: string, opts: MemfdOptions): TmpfsFileDescription {
  const mode = opts.noExec ? 0o777 & ~S_IXUGO : 0o777;
  const fd = newShmFile(mount, creds, `/memfd:${name} (deleted)`, mode, 0);
  if (opts.sealable) fd.file.seals &= ~F_SEAL_SEAL;
  if (opts.noExec) fd.file.seals |= F_SEAL_EXEC;
  return fd;
}

/**
 * A file without a name in the internal tmpfs: memfds, shared anonymous mappings ("/dev/zero (deleted)"), System V shared memory
 * ("/SYSV00000000 (deleted)"). `path` is what /proc shows; `size` its size.
 */
export function newShmFile(
  mount: Mount,
  creds: Credentials,
  path: string,
  perms: number,
  size: number,
): TmpfsFileDescription {
  const fs = mount.fs;
  if (!(fs instanceof Tmpfs)) throw new Error("tmpfs: not a tmpfs mount");
  const file = new TmpfsRegularFile(fs, S_IFREG | perms, creds.fsKUID, creds.fsKGID);
  file.nlink = 0;
  file.size = size;
  file.specialPath = path;
  const d = new Dentry(fs, null, "", file);
  d.deleted = true;
  return new TmpfsFileDescription(new VirtualDentry(mount, d), O_RDWR | O_LARGEFILE, file);
}
