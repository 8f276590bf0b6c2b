import { makeDeviceID } from "../../pkg/abi/linux/stat.ts";
import { UNIX98_PTY_SLAVE_MAJOR } from "../../pkg/abi/linux/tty.ts";
import { DevptsFilesystem } from "../../pkg/sentry/fsimpl/devpts/index.ts";
import { HostFilesystem, type HostTerminal, HostTTYFileDescription } from "../../pkg/sentry/fsimpl/host/index.ts";
import type { Credentials } from "../../pkg/sentry/kernel/auth/index.ts";
import type { Kernel, ThreadGroup } from "../../pkg/sentry/kernel/index.ts";
import {
  type FileDescription,
  type MountNamespace,
  PathOperation,
  type VirtualDentry,
} from "../../pkg/sentry/vfs/index.ts";

/**
 * The container's standard input, output and error from host descriptors `first` and the next two. Each description comes with
 * one reference. The host's descriptions are shared with whoever started us: their flags stay as they are. Terminals get a name in /dev/pts, and belong
 * to the user there.
 */
export function makeStdio(k: Kernel, creds: Credentials, mounts: MountNamespace, first: number): FileDescription[] {
  const fs = new HostFilesystem(k.vfs, k.platform, k.memoryFile.fileIDs);
  const names = new Map<HostTerminal, VirtualDentry | null>();
  return [0, 1, 2].map((i) => {
    const file = fs.newFD(first + i);
    if (!(file instanceof HostTTYFileDescription)) return file;
    const { terminal, host } = file;
    let place = names.get(terminal);
    if (place === undefined) names.set(terminal, (place = nameTerminal(k, creds, mounts, terminal)));
    if (place === null) return file;
    const named = new HostTTYFileDescription(place, file.statusFlags, host, terminal);
    file.decRef();
    return named;
  });
}

/** Gives a terminal a name in the container's /dev/pts; null when there is none. */
function nameTerminal(k: Kernel, creds: Credentials, mounts: MountNamespace, tty: HostTerminal): VirtualDentry | null {
  const { root } = mounts;
  const { fs } = k.vfs.getDentryAt(creds, new PathOperation(root, root, "/dev/pts", true)).dentry;
  if (!(fs instanceof DevptsFilesystem)) return null;
  const index = fs.addHostTerminal(tty, creds);
  tty.number = makeDeviceID(UNIX98_PTY_SLAVE_MAJOR, index);
  return k.vfs.getDentryAt(creds, new PathOperation(root, root, `/dev/pts/${index}`, true));
}

/** Makes the first terminal among the descriptions the controlling terminal of a session leader. */
export function giveTerminal(leader: ThreadGroup, stdio: readonly FileDescription[]): void {
  for (const file of stdio) {
    if (!(file instanceof HostTTYFileDescription)) continue;
    file.terminal.control(leader);
    return;
  }
}
