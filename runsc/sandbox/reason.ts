import * as linuxerr from "../../pkg/errors/linuxerr/index.ts";

/** An errno (positive) in words, for the few that users meet. */
export function reason(errno: number): string {
  const name = linuxerr.nameOf(errno);
  if (name === "ENOENT") return "no such file or directory";
  if (name === "ENOTDIR") return "not a directory";
  if (name === "EACCES" || name === "EPERM") return "permission denied";
  return name;
}
