import { expect, test } from "bun:test";
import * as errno from "../../../../abi/linux/errno.ts";
import {
  AF_UNIX,
  MSG_DONTWAIT,
  MSG_OOB,
  MSG_PEEK,
  SOCK_DGRAM,
  SOCK_SEQPACKET,
  SOCK_STREAM,
} from "../../../../abi/linux/socket.ts";
import { Entry, EventIn, type EventListener, EventOut } from "../../../../waiter/index.ts";
import { newRootCredentials, newRootUserNamespace } from "../../../kernel/auth/index.ts";
import type { Job, Kernel } from "../../../kernel/kernel.ts";
import type { Task } from "../../../kernel/task.ts";
import { newDefaultLimitSet } from "../../../limits/index.ts";
import { BytesIO, IOSequence } from "../../../usermem/index.ts";
import { VirtualFilesystem } from "../../../vfs/index.ts";
import { SCMRights } from "../../control/index.ts";
import { Message } from "../../message.ts";
import { NetworkNamespace } from "../../namespace.ts";
import { SocketSystem } from "../../system.ts";
import { UnixSocket } from "../unix.ts";
import { autobind, UnixEndpoint, unixSocketTable } from "./index.ts";
import { datagramSize, STREAM_PACKET, streamSize } from "./packet.ts";

/** A kernel with sockets and one task, and nothing else. */
class World {
  readonly jobs: Job[] = [];
  readonly system: SocketSystem;
  readonly task: Task;

  constructor() {
    const users = newRootUserNamespace();
    const jobs = this.jobs;
    const clock = {
      realtimeCoarse(out: { sec: number; nsec: number }): void {
        out.sec = 1;
        out.nsec = 2;
      },
    };
    const kernel = {
      vfs: new VirtualFilesystem(clock),
      rootUserNamespace: users,
      rootNetworkNamespace: new NetworkNamespace(users, 6),
      newNamespaceInode: () => 7,
      addJob: (j: Job) => jobs.push(j),
      monotonicNow: () => 0,
    };
    this.system = new SocketSystem(kernel as unknown as Kernel);
    const leader = { pidNamespace: { parent: null, idOfTask: () => 9 }, threadGroup: {} };
    const threadGroup = { leader, limits: newDefaultLimitSet() };
    leader.threadGroup = threadGroup;
    this.task = { kernel, creds: newRootCredentials(users), threadGroup } as unknown as Task;
  }

  pair(type: number): [UnixSocket, UnixSocket] {
    const make = (): UnixSocket => {
      this.system.addSocket();
      return UnixSocket.create(
        this.task,
        0,
        new UnixEndpoint(this.system, this.system.kernel.rootNetworkNamespace, type),
      );
    };
    const a = make();
    const b = make();
    a.endpoint.pair(this.task, b.endpoint);
    return [a, b];
  }

  send(s: UnixSocket, text: string, flags = MSG_DONTWAIT, rights: UnixSocket[] = []): number {
    const m = new Message();
    m.parsed = true;
    if (rights.length > 0) {
      m.rights = new SCMRights(this.system.rights, 0);
      for (const r of rights) m.rights.add(r);
    }
    const bytes = Buffer.from(text);
    return s.sendMessage(this.task, new IOSequence().setSingle(new BytesIO(bytes), 0, bytes.length), m, flags);
  }

  receive(s: UnixSocket, length: number, flags = MSG_DONTWAIT): string | number {
    const buf = new Uint8Array(length);
    const m = new Message();
    const n = s.receiveMessage(this.task, new IOSequence().setSingle(new BytesIO(buf), 0, length), m, flags);
    m.reset();
    return n < 0 ? n : Buffer.from(buf.subarray(0, n)).toString();
  }

  /** Runs what is left to do between turns; returns how many turns that took. */
  runJobs(): number {
    let turns = 0;
    for (; this.jobs.length > 0; turns++) for (const j of this.jobs.splice(0)) j.run();
    return turns;
  }
}

class Recorder implements EventListener {
  seen = 0;
  notifyEvent(_e: Entry, mask: number): void {
    this.seen |= mask;
  }
}

test("packets count as they do on Linux 6.18", () => {
  const datagrams = [
    [0, 768],
    [192, 768],
    [193, 1280],
    [704, 1280],
    [1728, 2304],
    [3776, 4352],
    [3777, 8448],
    [12000, 16640],
    [16384, 20736],
    [40000, 41216],
    [100000, 102656],
    [212960, 332032],
  ] as const;
  for (const [n, size] of datagrams) expect(datagramSize(n)).toBe(size);
  const streams = [
    [1, 768],
    [3776, 4352],
    [3777, 4864],
    [5000, 6400],
    [8192, 8960],
    [20000, 20736],
    [36544, 37120],
  ] as const;
  for (const [n, size] of streams) expect(streamSize(n)).toBe(size);
  expect(STREAM_PACKET).toBe(36544);
});

test("streams run together, packets do not", () => {
  const w = new World();
  const [a, b] = w.pair(SOCK_STREAM);
  expect(w.send(a, "abc")).toBe(3);
  expect(w.send(a, "def")).toBe(3);
  expect(w.receive(b, 4, MSG_PEEK | MSG_DONTWAIT)).toBe("abcd");
  expect(w.receive(b, 5)).toBe("abcde");
  expect(w.receive(b, 5)).toBe("f");
  expect(w.receive(b, 5)).toBe(-errno.EAGAIN);
  const [c, d] = w.pair(SOCK_SEQPACKET);
  w.send(c, "abc");
  w.send(c, "def");
  expect(w.receive(d, 2)).toBe("ab");
  expect(w.receive(d, 9)).toBe("def");
});

test("everything is given back: buffers, accounting, sockets", () => {
  const w = new World();
  for (const type of [SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET]) {
    const [a, b] = w.pair(type);
    for (let i = 0; i < 50; i++) w.send(a, "x".repeat(i * 40));
    expect(w.system.bytes).toBeGreaterThan(0);
    expect(a.endpoint.allocated).toBe(w.system.bytes);
    b.decRef();
    a.decRef();
    expect(w.system.bytes).toBe(0);
    expect(w.system.sockets).toBe(0);
    expect(w.system.kernel.rootNetworkNamespace.unix.endpoints.size).toBe(0);
  }
});

test("a full send buffer refuses, and tells when three quarters are free", () => {
  const w = new World();
  const [a, b] = w.pair(SOCK_STREAM);
  let n = 0;
  while (w.send(a, "x") === 1) n++;
  expect(n).toBe(278);
  const r = new Recorder();
  const e = new Entry(r, EventOut);
  a.eventRegister(e);
  let reads = 0;
  while (r.seen === 0) {
    w.receive(b, 1);
    reads++;
  }
  expect(reads).toBe(209);
  expect(a.readiness(EventOut)).toBe(EventOut);
  a.eventUnregister(e);
});

test("when all sockets together hold much, each gets little", () => {
  const w = new World();
  const [a] = w.pair(SOCK_STREAM);
  w.system.bytes += 60 << 20;
  let n = 0;
  while (w.send(a, "x") === 1) n++;
  expect(n).toBe(Math.ceil(8192 / 768));
  w.system.bytes += 60 << 20;
  const [c] = w.pair(SOCK_STREAM);
  expect(w.send(c, "x")).toBe(-errno.ENOBUFS);
});

test("the out-of-band byte stops a read once", () => {
  const w = new World();
  const [a, b] = w.pair(SOCK_STREAM);
  expect(w.send(a, "abU", MSG_OOB | MSG_DONTWAIT)).toBe(3);
  w.send(a, "cd");
  expect(w.receive(b, 9)).toBe("ab");
  expect(b.atMark()).toBe(true);
  expect(w.receive(b, 1, MSG_OOB)).toBe("U");
  expect(w.receive(b, 1, MSG_OOB)).toBe(-errno.EINVAL);
  expect(w.receive(b, 9)).toBe("cd");
});

test("sockets that hold only each other are collected", () => {
  const w = new World();
  const [a, a2] = w.pair(SOCK_DGRAM);
  const [b, b2] = w.pair(SOCK_DGRAM);
  w.send(a, "1", MSG_DONTWAIT, [b2]);
  w.send(b, "2", MSG_DONTWAIT, [a2]);
  expect(w.system.collector.vertices.size).toBe(2);
  a2.decRef();
  b2.decRef();
  a.decRef();
  w.runJobs();
  expect(w.system.sockets).toBe(1);
  expect(w.system.rights.total).toBe(0);
  b.decRef();
  expect(w.system.sockets).toBe(0);
  expect(w.system.bytes).toBe(0);
});

test("closing the last descriptor of a socket in flight is noticed", () => {
  const w = new World();
  const [a, b] = w.pair(SOCK_STREAM);
  w.send(a, "1", MSG_DONTWAIT, [b]);
  a.flush();
  a.decRef();
  w.runJobs();
  expect(w.system.sockets).toBe(1);
  b.flush();
  b.decRef();
  w.runJobs();
  expect(w.system.sockets).toBe(0);
});

test("a socket that somebody can still receive is no garbage", () => {
  const w = new World();
  const [a, a2] = w.pair(SOCK_DGRAM);
  const [b, b2] = w.pair(SOCK_DGRAM);
  w.send(a, "1", MSG_DONTWAIT, [b2]);
  w.send(b, "2", MSG_DONTWAIT, [a2]);
  b2.decRef();
  b.decRef();
  w.runJobs();
  expect(w.system.sockets).toBe(3);
  expect(w.receive(a2, 5)).toBe("1");
  // The rights of that message were dropped with it, and with them b2 and its hold on a2.
  expect(w.system.sockets).toBe(2);
});

test("a chain of sockets in sockets is let go bit by bit", () => {
  const w = new World();
  let [a, b] = w.pair(SOCK_DGRAM);
  for (let i = 0; i < 10000; i++) {
    const [c, d] = w.pair(SOCK_DGRAM);
    w.send(c, "x", MSG_DONTWAIT, [b]);
    a.decRef();
    b.decRef();
    a = c;
    b = d;
  }
  expect(w.system.sockets).toBe(10002);
  a.decRef();
  b.decRef();
  expect(w.system.sockets).toBeGreaterThan(9000);
  expect(w.runJobs()).toBeGreaterThan(100);
  expect(w.system.sockets).toBe(0);
});

test("names and the table of /proc/net/unix", () => {
  const w = new World();
  const [a, b] = w.pair(SOCK_STREAM);
  expect(autobind(a.endpoint)).toBe(0);
  const m = new Message();
  expect(b.getName(m, true)).toBe(0);
  expect(m.nameLength).toBe(8);
  expect(m.family()).toBe(AF_UNIX);
  const lines = unixSocketTable(w.system.kernel.rootNetworkNamespace.unix).split("\n");
  expect(lines[1]).toMatch(/^0{16}: 00000003 00000000 00000000 0001 03 +\d+ @[0-9a-f]{5}$/);
  expect(lines[2]).toMatch(/^0{16}: 00000003 00000000 00000000 0001 03 +\d+$/);
  a.decRef();
  expect(w.system.kernel.rootNetworkNamespace.unix.abstract.size).toBe(0);
  expect(b.readiness(EventIn)).toBe(EventIn | 0x10);
});
