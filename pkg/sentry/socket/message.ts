import { SIZEOF_SOCKADDR_STORAGE } from "../../abi/linux/socket.ts";
import { stateType } from "../../state/index.ts";
import type { Queue } from "../../waiter/index.ts";
import { NO_ID } from "../kernel/auth/index.ts";
import type { PIDRef } from "../kernel/pid_ref.ts";
import type { FileDescription } from "../vfs/index.ts";
import type { SCMRights } from "./control/index.ts";

const NO_CONTROL: Readonly<Uint8Array> = new Uint8Array(0);

/**
 * What a send or receive carries beside its data, and how it stands: one per call, from SocketSystem.takeMessage. A call that has to wait
 * keeps it and goes on with it.
 */
export class Message {
  static readonly stateType = stateType("socket.Message", [
    "name",
    "nameLength",
    "wantsName",
    "flags",
    "control",
    "controlLength",
    "parsed",
    "rights",
    "pid",
    "uid",
    "gid",
    "hasCredentials",
    "timestampSec",
    "timestampNsec",
    "inq",
    "wait",
    "copied",
    "target",
    "broken",
    "urgentTo",
  ]);
  /** A sockaddr; one byte longer than the longest, so that a path can be ended by a zero. */
  readonly name: Uint8Array = new Uint8Array(SIZEOF_SOCKADDR_STORAGE + 1);
  /** Bytes of it in use. Sending: 0 for no destination. */
  nameLength = 0;
  /** Receiving: the sender's name is wanted. */
  wantsName = false;
  /** msg_flags that recvmsg(2) reports. */
  flags = 0;
  /** Ancillary data to be sent, as the guest gave it; only looked at by the first attempt. */
  control: Uint8Array = NO_CONTROL;
  controlLength = 0;
  /** The ancillary data has been looked at. */
  parsed = false;
  /** Descriptors to be sent, or received ones. */
  rights: SCMRights | null = null;
  /** Credentials sent with SCM_CREDENTIALS, or received. Kernel ids. */
  pid: PIDRef | null = null;
  uid = NO_ID;
  gid = NO_ID;
  /** Receiving: the credentials of the first piece were taken; pieces of other senders must wait. */
  hasCredentials = false;
  /** Receiving: the CLOCK_REALTIME at which the message came; -1 seconds when that is not asked for. */
  timestampSec = -1;
  timestampNsec = 0;
  /** Receiving: bytes left after the call for SCM_INQ, or -1. */
  inq = -1;
  /** Set by an attempt that could do no more for now: where to wait before the next. */
  wait: Queue | null = null;
  /** Receiving: bytes that earlier attempts of the call moved. */
  copied = 0;
  /** Receiving: bytes the call waits for; 0: not computed yet. */
  target = 0;
  /** Sending: the reader is gone, and SIGPIPE is due. */
  broken = false;
  /** Sending: whose owner has to get SIGURG. */
  urgentTo: FileDescription | null = null;

  /** Ready for another call. */
  reset(): void {
    this.nameLength = 0;
    this.wantsName = false;
    this.flags = 0;
    this.control = NO_CONTROL;
    this.controlLength = 0;
    this.parsed = false;
    this.pid = null;
    this.uid = NO_ID;
    this.gid = NO_ID;
    this.hasCredentials = false;
    this.timestampSec = -1;
    this.timestampNsec = 0;
    this.inq = -1;
    this.wait = null;
    this.copied = 0;
    this.target = 0;
    this.broken = false;
    this.urgentTo = null;
    if (this.rights !== null) {
      this.rights.release();
      this.rights = null;
    }
  }

  /** The family of the name. */
  family(): number {
    return (this.name[0] ?? 0) | ((this.name[1] ?? 0) << 8);
  }
}
