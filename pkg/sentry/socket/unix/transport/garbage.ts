import { CAP_SYS_ADMIN, CAP_SYS_RESOURCE } from "../../../../abi/linux/capability.ts";
import * as errno from "../../../../abi/linux/errno.ts";
import { RLIMIT_NOFILE } from "../../../../abi/linux/rlimit.ts";
import { AF_UNIX } from "../../../../abi/linux/socket.ts";
import { stateType } from "../../../../state/index.ts";
import type { Job } from "../../../kernel/kernel.ts";
import type { Task } from "../../../kernel/task.ts";
import { Timer, type TimerListener } from "../../../time/index.ts";
import type { FileDescription } from "../../../vfs/index.ts";
import { MAX_IN_FLIGHT, type SCMRights } from "../../control/rights.ts";
import type { Message } from "../../message.ts";
import { Socket } from "../../socket.ts";
import type { SocketSystem } from "../../system.ts";
import type { UnixEndpoint } from "./endpoint.ts";
import type { Packet } from "./packet.ts";

/** Sockets in flight above which every further one asks for a collection. */
const MANY_IN_FLIGHT = 16000;

/** A collection is followed by a pause this many times as long. */
const PAUSE_FACTOR = 20;

/** A description of a unix socket, as the collector sees it. */
export interface CollectedSocket extends FileDescription {
  readonly endpoint: UnixEndpoint;
}

/** What the collector knows of a socket in flight. */
export class Vertex {
  static readonly stateType = stateType("unix.Vertex", ["file", "count"], ["outside", "reached"]);
  readonly file: CollectedSocket;
  /** References that messages in queues hold. */
  count = 0;
  /** During a collection: references from elsewhere than the queues of suspects. */
  outside = 0;
  /** During a collection: can still be received by somebody. */
  reached = false;

  constructor(file: CollectedSocket) {
    this.file = file;
  }

  afterLoad(): void {
    this.outside = 0;
    this.reached = false;
  }
}

/**
 * Finds unix sockets that are only referenced by messages in queues that nobody can read any more, because they are in such a cycle
 * themselves, and empties those queues. Runs between the turns of the loop, when a cycle may have come into being and sockets were closed.
 */
export class Collector implements Job, TimerListener {
  static readonly stateType = stateType(
    "unix.Collector",
    ["system", "vertices", "maybeCyclic", "timer"],
    ["scheduled", "notBefore"],
  );
  readonly system: SocketSystem;
  /** Unix sockets in flight. */
  readonly vertices: Map<FileDescription, Vertex> = new Map();
  /** A socket in flight has sockets in its own queue. */
  maybeCyclic = false;
  scheduled = false;
  /** CLOCK_MONOTONIC ns before which none may begin: they get a small share of the loop's time. */
  notBefore = 0;
  readonly timer: Timer = new Timer(this);

  constructor(system: SocketSystem) {
    this.system = system;
  }

  /** Jobs are done before a kernel is saved. */
  afterLoad(): void {
    this.scheduled = false;
    this.notBefore = 0;
  }

  /** Rights were queued at an endpoint. */
  addRights(r: SCMRights, to: UnixEndpoint): void {
    r.inFlight = true;
    this.system.rights.change(r.user, r.files.length);
    // What is sent to a connection that was not accepted yet is kept alive by the listener.
    const receiver = to.socket ?? to.listener?.socket ?? null;
    for (const f of r.files) {
      if (!isUnixSocket(f)) continue;
      let v = this.vertices.get(f);
      if (v === undefined) {
        v = new Vertex(f);
        this.vertices.set(f, v);
      }
      v.count++;
      if (receiver !== null && this.vertices.has(receiver)) this.maybeCyclic = true;
    }
    if (this.vertices.size > MANY_IN_FLIGHT) this.schedule();
  }

  /** Rights left their queue. */
  removeRights(r: SCMRights): void {
    r.inFlight = false;
    this.system.rights.change(r.user, -r.files.length);
    for (const f of r.files) {
      const v = this.vertices.get(f);
      if (v === undefined) continue;
      v.count--;
      if (v.count === 0) this.vertices.delete(f);
    }
  }

  /** An endpoint was released: others may now be garbage. */
  socketClosed(): void {
    if (this.maybeCyclic && this.vertices.size > 0) this.schedule();
  }

  /** A descriptor of a socket is about to be closed. */
  descriptorClosed(file: FileDescription): void {
    if (this.maybeCyclic && this.vertices.has(file)) this.schedule();
  }

  /** Has a collection done soon. */
  schedule(): void {
    if (this.scheduled || !this.maybeCyclic) return;
    this.scheduled = true;
    const k = this.system.kernel;
    if (k.monotonicNow() >= this.notBefore) k.addJob(this);
    else k.timers.addTimer(this.timer, this.notBefore);
  }

  /** See TimerListener. */
  timerExpired(): void {
    this.system.kernel.addJob(this);
  }

  /** See Job. */
  run(): boolean {
    const k = this.system.kernel;
    this.scheduled = false;
    const start = k.monotonicNow();
    this.collect();
    const end = k.monotonicNow();
    this.notBefore = end + (end - start) * PAUSE_FACTOR;
    return false;
  }

  /** Finds and releases what nobody can reach. */
  collect(): void {
    const suspects: Vertex[] = [];
    for (const v of this.vertices.values()) {
      v.reached = v.file.refs !== v.count;
      v.outside = v.count;
      if (!v.reached) suspects.push(v);
    }
    for (const v of suspects) this.visitQueued(v, discount);
    const stack = suspects.filter(hasOutside);
    for (const v of stack) v.reached = true;
    const found: Vertex[] = [];
    for (let v = stack.pop(); v !== undefined; v = stack.pop()) {
      this.visitQueued(v, markReached, found);
      for (const f of found) stack.push(f);
      found.length = 0;
    }
    const garbage = suspects.filter(isUnreached);
    if (garbage.length === 0) {
      this.maybeCyclic = this.hasCycle();
      return;
    }
    const hold: FileDescription[] = [];
    for (const v of garbage) {
      v.file.incRef();
      hold.push(v.file);
    }
    for (const v of garbage) {
      const ep = v.file.endpoint;
      for (let p = ep.packets.head; p !== null; p = p.next) if (p.connection !== null) dropRights(p.connection);
      dropRights(ep);
    }
    for (const f of hold) f.decRef();
  }

  /** Whether a socket in flight still has sockets in its queue. */
  hasCycle(): boolean {
    const found: Vertex[] = [];
    for (const v of this.vertices.values()) {
      this.visitQueued(v, collectAll, found);
      if (found.length > 0) return true;
    }
    return false;
  }

  /** Calls `fn` for every socket in flight in the queue of a socket, and in the queues of connections that wait at it. */
  visitQueued(v: Vertex, fn: (v: Vertex, out: Vertex[]) => void, out: Vertex[] = []): void {
    for (let p = v.file.endpoint.packets.head; p !== null; p = p.next) {
      this.visitPacket(p, fn, out);
      if (p.connection === null) continue;
      for (let q = p.connection.packets.head; q !== null; q = q.next) this.visitPacket(q, fn, out);
    }
  }

  visitPacket(p: Packet, fn: (v: Vertex, out: Vertex[]) => void, out: Vertex[]): void {
    if (p.rights === null) return;
    for (const f of p.rights.files) {
      const v = this.vertices.get(f);
      if (v !== undefined) fn(v, out);
    }
  }
}

function discount(v: Vertex): void {
  v.outside--;
}

function hasOutside(v: Vertex): boolean {
  return v.outside > 0;
}

function isUnreached(v: Vertex): boolean {
  return !v.reached;
}

function markReached(v: Vertex, out: Vertex[]): void {
  if (v.reached) return;
  v.reached = true;
  out.push(v);
}

function collectAll(v: Vertex, out: Vertex[]): void {
  out.push(v);
}

/** Drops the packets with rights from a queue. */
function dropRights(ep: UnixEndpoint): void {
  let next: Packet | null;
  for (let p = ep.packets.head; p !== null; p = next) {
    next = p.next;
    if (p.rights === null) continue;
    ep.dequeue(p);
    ep.freePacket(p);
  }
}

function isUnixSocket(f: FileDescription): f is CollectedSocket {
  return f instanceof Socket && f.family === AF_UNIX;
}

/** Hands the rights of a message over to the packet that carries them: 0, or -ETOOMANYREFS when the sender has too many on their way. */
export function attachRights(t: Task, system: SocketSystem, p: Packet, m: Message): number {
  const r = m.rights;
  if (r === null) return 0;
  const acc = system.rights;
  if (acc.total > MAX_IN_FLIGHT) return -errno.ETOOMANYREFS;
  if (acc.ofUser(r.user) > t.threadGroup.limits.cur(RLIMIT_NOFILE)) {
    const root = t.kernel.rootUserNamespace;
    const c = t.creds;
    if (!c.hasCapabilityIn(CAP_SYS_RESOURCE, root) && !c.hasCapabilityIn(CAP_SYS_ADMIN, root))
      return -errno.ETOOMANYREFS;
  }
  p.rights = r;
  m.rights = null;
  return 0;
}
