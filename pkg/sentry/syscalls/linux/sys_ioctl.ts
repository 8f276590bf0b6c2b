import * as errno from "../../../abi/linux/errno.ts";
import { O_NONBLOCK } from "../../../abi/linux/file.ts";
import {
  FICLONE,
  FICLONERANGE,
  FIDEDUPERANGE,
  FIGETBSZ,
  FIOASYNC,
  FIOCLEX,
  FIOGETOWN,
  FIONBIO,
  FIONCLEX,
  FIONREAD,
  FIOQSIZE,
  FIOSETOWN,
  SIOCGPGRP,
  SIOCSPGRP,
} from "../../../abi/linux/ioctl.ts";
import { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from "../../../abi/linux/stat.ts";
import type { SyscallArguments } from "../../kernel/syscalls.ts";
import type { Task } from "../../kernel/task.ts";
import { Socket } from "../../socket/index.ts";
import { changeAsync, getOwner, setOwner } from "./file_owner.ts";
import { openFile } from "./path.ts";
import { canSignal } from "./sys_fcntl.ts";

/** ioctl(2): what every file understands, then the file's own requests. */
export function ioctl(t: Task, args: SyscallArguments): number {
  const fd = args.i32(0);
  const file = openFile(t, fd);
  if (file === null) return -errno.EBADF;
  const cmd = args.u32(1);
  switch (cmd) {
    case FIOCLEX:
      return t.fdTable.setCloexec(fd, true);
    case FIONCLEX:
      return t.fdTable.setCloexec(fd, false);
    case FIONBIO: {
      const on = t.copyInI32(args.u64(2)) !== 0;
      file.setStatusFlags(on ? file.statusFlags | O_NONBLOCK : file.statusFlags & ~O_NONBLOCK);
      return 0;
    }
    case FIOASYNC:
      return changeAsync(t, fd, file, t.copyInI32(args.u64(2)) !== 0, canSignal(file));
    case FIOQSIZE: {
      const type = file.inode.mode() & S_IFMT;
      if (type !== S_IFREG && type !== S_IFDIR && type !== S_IFLNK) return -errno.ENOTTY;
      const st = t.kernel.syscallScratch.statx;
      file.stat(st);
      t.copyOutU64(args.u64(2), st.blocks * 512);
      return 0;
    }
    case FIGETBSZ: {
      const st = t.kernel.syscallScratch.statfs;
      file.statFS(st);
      t.copyOutU32(args.u64(2), st.bsize);
      return 0;
    }
    case FIOSETOWN:
    case SIOCSPGRP:
      if (!(file instanceof Socket)) return file.ioctl(t, cmd, args);
      return setOwner(t, file, t.copyInI32(args.u64(2)));
    case FIOGETOWN:
    case SIOCGPGRP:
      if (!(file instanceof Socket)) return file.ioctl(t, cmd, args);
      t.copyOutI32(args.u64(2), getOwner(t, file));
      return 0;
    case FICLONE:
    case FICLONERANGE:
    case FIDEDUPERANGE:
      return -errno.EOPNOTSUPP;
    case FIONREAD:
      if ((file.inode.mode() & S_IFMT) === S_IFREG) {
        const st = t.kernel.syscallScratch.statx;
        file.stat(st);
        t.copyOutI32(args.u64(2), st.size - file.position());
        return 0;
      }
      return file.ioctl(t, cmd, args);
    default:
      return file.ioctl(t, cmd, args);
  }
}
