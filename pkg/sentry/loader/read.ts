import { IN_ACCESS } from "../../abi/linux/inotify.ts";
import { LinuxError } from "../../errors/linuxerr/index.ts";
import { BytesIO, IOSequence } from "../usermem/index.ts";
import { type FileDescription, notifyFile } from "../vfs/index.ts";

/**
 * Reads up to `len` bytes of a file at `offset` into buf. Returns the number of bytes read, less than `len` only at the end of the
 * file; or a negative errno.
 */
export function readFull(file: FileDescription, buf: Uint8Array, len: number, offset: number): number {
  if (!Number.isSafeInteger(offset + len)) return 0;
  let done = 0;
  const io = new BytesIO(buf);
  const dst = new IOSequence();
  try {
    while (done < len) {
      const n = file.pread(dst.setSingle(io, done, len - done), offset + done);
      if (n < 0) return n;
      if (n === 0) break;
      done += n;
    }
  } catch (e) {
    if (e instanceof LinuxError) return -e.errno;
    throw e;
  }
  if (done > 0) notifyFile(file, IN_ACCESS);
  return done;
}
