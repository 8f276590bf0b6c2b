import { RLIMIT_NOFILE } from "../../../abi/linux/rlimit.ts";
import {
  MSG_CMSG_CLOEXEC,
  MSG_CTRUNC,
  SCM_CREDENTIALS,
  SCM_INQ,
  SCM_PIDFD,
  SCM_RIGHTS,
  SIZEOF_CMSGHDR,
  SO_TIMESTAMP,
  SO_TIMESTAMP_NEW,
  SO_TIMESTAMPNS,
  SO_TIMESTAMPNS_NEW,
  SOL_SOCKET,
} from "../../../abi/linux/socket.ts";
import * as linuxerr from "../../../errors/linuxerr/index.ts";
import { NR_OPEN_DEFAULT } from "../../kernel/fd_table.ts";
import { newPIDFD } from "../../kernel/pidfd.ts";
import type { Task } from "../../kernel/task.ts";
import type { Message } from "../message.ts";
import {
  OPT_INQ,
  OPT_PASSCRED,
  OPT_PASSPIDFD,
  OPT_PASSSEC,
  OPT_TIMESTAMP_NEW,
  OPT_TIMESTAMPNS,
  type SocketOptions,
} from "../options.ts";
import type { SCMRights } from "./rights.ts";

/**
 * Stores what a received message carries beside its data at the guest address: as much as fits in `length` bytes, else MSG_CTRUNC is
 * set in message.flags. Descriptors that do not fit are closed. Returns the bytes stored. Faults cut it short silently, as in Linux.
 */
export function receiveControl(t: Task, options: SocketOptions, m: Message, addr: number, length: number): number {
  const w = new ControlWriter(t, m, addr, length);
  if (m.timestampSec >= 0) putTimestamp(w, options, m);
  if (addr === 0) {
    if (options.has(OPT_PASSCRED | OPT_PASSPIDFD | OPT_PASSSEC) || m.rights !== null) m.flags |= MSG_CTRUNC;
    if (options.has(OPT_INQ) && m.inq >= 0) m.flags |= MSG_CTRUNC;
    return 0;
  }
  if (options.has(OPT_PASSCRED)) {
    const view = t.kernel.syscallScratch.view;
    const ns = t.creds.userNamespace;
    view.setInt32(SIZEOF_CMSGHDR, m.pid === null ? 0 : m.pid.idIn(t.pidNamespace), true);
    view.setUint32(SIZEOF_CMSGHDR + 4, ns.uidOrOverflow(m.uid), true);
    view.setUint32(SIZEOF_CMSGHDR + 8, ns.gidOrOverflow(m.gid), true);
    w.put(SCM_CREDENTIALS, 12);
  }
  if (m.rights !== null) w.putRights(m.rights);
  if (options.has(OPT_PASSPIDFD)) putPIDFD(w);
  if (options.has(OPT_INQ) && m.inq >= 0) {
    t.kernel.syscallScratch.view.setInt32(SIZEOF_CMSGHDR, m.inq, true);
    w.put(SCM_INQ, 4);
  }
  return w.done;
}

/** Where the next control message goes. Lives for one call. */
class ControlWriter {
  readonly t: Task;
  readonly m: Message;
  readonly addr: number;
  readonly length: number;
  done = 0;

  constructor(t: Task, m: Message, addr: number, length: number) {
    this.t = t;
    this.m = m;
    this.addr = addr;
    this.length = length;
  }

  /** Stores a control message whose `bytes` of data lie in the system call scratch after room for the header. */
  put(type: number, bytes: number): boolean {
    const left = this.length - this.done;
    if (this.addr === 0 || left < SIZEOF_CMSGHDR) {
      this.m.flags |= MSG_CTRUNC;
      return false;
    }
    let n = SIZEOF_CMSGHDR + bytes;
    if (left < n) {
      this.m.flags |= MSG_CTRUNC;
      n = left;
    }
    const s = this.t.kernel.syscallScratch;
    s.words[0] = n;
    s.words[1] = 0;
    s.words[2] = SOL_SOCKET;
    s.words[3] = type;
    try {
      this.t.copyOut(this.addr + this.done, s.bytes, 0, n);
    } catch (e) {
      if (e === linuxerr.EFAULT) return false;
      throw e;
    }
    this.advance(bytes);
    return true;
  }

  advance(bytes: number): void {
    this.done = Math.min(this.done + SIZEOF_CMSGHDR + Math.ceil(bytes / 8) * 8, this.length);
  }

  /** Gives the descriptions descriptors, as many as there is room for. */
  putRights(r: SCMRights): void {
    const t = this.t;
    const left = this.length - this.done;
    const room = left <= SIZEOF_CMSGHDR ? 0 : Math.floor((left - SIZEOF_CMSGHDR) / 4);
    const most = Math.min(room, r.files.length);
    const cloexec = (this.m.flags & MSG_CMSG_CLOEXEC) !== 0;
    const limit = Math.min(t.threadGroup.limits.cur(RLIMIT_NOFILE), NR_OPEN_DEFAULT);
    const at = this.addr + this.done;
    let n = 0;
    try {
      for (; n < most; n++) {
        const file = r.files[n];
        if (file === undefined) break;
        const fd = t.fdTable.newFD(file, 0, cloexec, limit);
        if (fd < 0) break;
        try {
          t.copyOutI32(at + SIZEOF_CMSGHDR + 4 * n, fd);
        } catch (e) {
          t.fdTable.remove(fd);
          throw e;
        }
      }
    } catch (e) {
      if (e !== linuxerr.EFAULT) throw e;
    }
    if (n > 0) {
      const s = t.kernel.syscallScratch;
      s.words[0] = SIZEOF_CMSGHDR + 4 * n;
      s.words[1] = 0;
      s.words[2] = SOL_SOCKET;
      s.words[3] = SCM_RIGHTS;
      try {
        t.copyOut(at, s.bytes, 0, SIZEOF_CMSGHDR);
        this.advance(4 * n);
      } catch (e) {
        if (e !== linuxerr.EFAULT) throw e;
      }
    }
    if (n < r.files.length) this.m.flags |= MSG_CTRUNC;
  }
}

/** SCM_PIDFD: a pidfd of the sender, or a negative errno in its place. */
function putPIDFD(w: ControlWriter): void {
  const tg = w.m.pid?.process?.deref();
  if (tg === undefined) return;
  if (w.length - w.done < SIZEOF_CMSGHDR + 4) {
    w.m.flags |= MSG_CTRUNC;
    return;
  }
  let fd = -1;
  try {
    fd = newPIDFD(w.t, tg.leader, false, 0);
  } catch (e) {
    if (!(e instanceof linuxerr.LinuxError)) throw e;
    w.t.kernel.syscallScratch.view.setInt32(SIZEOF_CMSGHDR, -e.errno, true);
  }
  if (fd >= 0) w.t.kernel.syscallScratch.view.setInt32(SIZEOF_CMSGHDR, fd, true);
  if (!w.put(SCM_PIDFD, 4) && fd >= 0) w.t.fdTable.remove(fd);
}

/** SO_TIMESTAMP: a timeval; SO_TIMESTAMPNS: a timespec. */
function putTimestamp(w: ControlWriter, options: SocketOptions, m: Message): void {
  const words = w.t.kernel.syscallScratch.words;
  const nanos = options.has(OPT_TIMESTAMPNS);
  words[4] = m.timestampSec;
  words[5] = Math.floor(m.timestampSec / 4294967296);
  words[6] = nanos ? m.timestampNsec : Math.floor(m.timestampNsec / 1000);
  words[7] = 0;
  const fresh = options.has(OPT_TIMESTAMP_NEW);
  if (nanos) w.put(fresh ? SO_TIMESTAMPNS_NEW : SO_TIMESTAMPNS, 16);
  else w.put(fresh ? SO_TIMESTAMP_NEW : SO_TIMESTAMP, 16);
}
