import { HostFilesystem } from "../../pkg/sentry/fsimpl/host/index.ts";
import type { Kernel } from "../../pkg/sentry/kernel/index.ts";
import type { FileDescription } from "../../pkg/sentry/vfs/index.ts";

/**
 * The container's standard input, output and error from host descriptors `first` and the next two. Each description comes with
 * one reference. The host's descriptions are shared with whoever started us: their flags stay as they are.
 */
export function makeStdio(k: Kernel, first: number): FileDescription[] {
  const fs = new HostFilesystem(k.vfs, k.platform, k.memoryFile.fileIDs);
  return [0, 1, 2].map((i) => fs.newFD(first + i));
}
