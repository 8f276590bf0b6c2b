import { stateType } from "../../../state/index.ts";
import type { Task } from "../../kernel/task.ts";
import { unixSockets } from "../../socket/index.ts";
import { DynamicBytesInode, StaticDirectory, StaticFile } from "../kernfs/index.ts";
import type { ProcFilesystem } from "./filesystem.ts";

/** What /proc/[pid]/net shows of a network without internet sockets or interfaces other than loopback. */
const FILES: { readonly [name: string]: string } = {
  arp: "IP address       HW type     Flags       HW address            Mask     Device\n",
  dev:
    "Inter-|   Receive                                                |  Transmit\n" +
    " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n" +
    "    lo:       0       0    0    0    0     0          0         0        0       0    0    0    0     0       0          0\n",
  if_inet6: "",
  ipv6_route: "",
  netlink: "sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode\n",
  netstat: "",
  packet: "sk               RefCnt Type Proto  Iface R Rmem   User   Inode\n",
  protocols:
    "protocol  size sockets  memory press maxhdr  slab module     cl co di ac io in de sh ss gs se re sp bi br ha uh gp em\n",
  psched: "000003e8 00000040 000f4240 3b9aca00\n",
  ptype: "Type Device      Function\n",
  route:
    "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT                                                       \n",
  snmp: "",
  tcp: "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode                                                     \n",
  tcp6: "  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n",
  udp: "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops             \n",
  udp6: "  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n",
};

/** /proc/net/unix. */
export class UnixSocketsFile extends DynamicBytesInode {
  static override readonly stateType = stateType("proc.UnixSocketsFile", ["task"]);
  /** Whose network namespace it shows. */
  readonly task: Task;

  constructor(fs: ProcFilesystem, task: Task) {
    super(fs);
    this.task = task;
  }

  override generate(): string {
    return unixSockets(this.task.networkNamespace);
  }
}

/** /proc/[pid]/net. */
export function buildNet(fs: ProcFilesystem, task: Task): StaticDirectory {
  const d = new StaticDirectory(fs, 0o555);
  for (const name of Object.keys(FILES)) d.add(name, new StaticFile(fs, FILES[name] ?? ""));
  d.add("unix", new UnixSocketsFile(fs, task));
  return d;
}
