import { describe, expect, test } from "bun:test";
import { EPOLLET, EPOLLIN, EPOLLONESHOT, EPOLLOUT } from "../../abi/linux/epoll.ts";
import * as errno from "../../abi/linux/errno.ts";
import { O_RDWR } from "../../abi/linux/file.ts";
import { EventFileDescription } from "../fsimpl/eventfd/index.ts";
import { EpollAccounting, type EpollInterest, EventPoll, type Timestamp, VirtualFilesystem } from "./index.ts";

const vfs = new VirtualFilesystem({
  realtimeCoarse(out: Timestamp): void {
    out.sec = 1;
    out.nsec = 0;
  },
});

function newEpoll(): EventPoll {
  return new EventPoll(vfs.newAnonVirtualDentry("[eventpoll]"), O_RDWR, vfs.epollAccounting);
}

function eventfd(): EventFileDescription {
  return new EventFileDescription(vfs.newAnonVirtualDentry("[eventfd]"), 0, 0, false);
}

/** The data words of the events collected. */
function collect(ep: EventPoll, max = 10): number[] {
  const words = new Uint32Array(3 * max);
  const reported: EpollInterest[] = [];
  const n = ep.collect(words, max, reported);
  ep.delivered(reported, n);
  const out: number[] = [];
  for (let i = 0; i < n; i++) out.push(words[3 * i + 1] ?? -1);
  return out;
}

describe("EventPoll", () => {
  test("level-triggered interests come again, in turn", () => {
    const ep = newEpoll();
    const files = [eventfd(), eventfd(), eventfd()];
    for (const [i, f] of files.entries()) {
      expect(ep.add(f, i, EPOLLIN, i, 0)).toBe(0);
      f.add(1, 0);
    }
    expect(collect(ep, 2)).toEqual([0, 1]);
    expect(collect(ep, 2)).toEqual([2, 0]);
    expect(collect(ep)).toEqual([1, 2, 0]);
    for (const f of files) f.low = 0;
    expect(collect(ep)).toEqual([]);
    expect(ep.readyCount).toBe(0);
  });

  test("edge-triggered and one-shot interests do not", () => {
    const ep = newEpoll();
    const f = eventfd();
    ep.add(f, 3, EPOLLIN | EPOLLET, 7, 0);
    f.add(1, 0);
    expect(collect(ep)).toEqual([7]);
    expect(collect(ep)).toEqual([]);
    f.add(1, 0);
    expect(collect(ep)).toEqual([7]);
    const i = ep.find(f, 3);
    if (i === null) throw new Error("no interest");
    expect(ep.modify(i, EPOLLIN | EPOLLOUT | EPOLLONESHOT, 8, 0)).toBe(0);
    expect(collect(ep)).toEqual([8]);
    f.add(1, 0);
    expect(collect(ep)).toEqual([]);
    expect(ep.modify(i, EPOLLIN | EPOLLONESHOT, 9, 0)).toBe(0);
    expect(collect(ep)).toEqual([9]);
  });

  test("loses interest in files that end, and ends its interests", () => {
    const ep = newEpoll();
    const before = vfs.epollAccounting.watches;
    const f = eventfd();
    ep.add(f, 3, EPOLLIN, 0, 0);
    expect(ep.add(f, 3, EPOLLIN, 0, 0)).toBe(-errno.EEXIST);
    expect(ep.add(f, 4, EPOLLIN, 0, 0)).toBe(0);
    const g = eventfd();
    expect(ep.add(g, 3, EPOLLIN, 1, 0)).toBe(0);
    f.add(1, 0);
    f.decRef();
    expect(vfs.epollAccounting.watches).toBe(before + 1);
    expect(collect(ep)).toEqual([]);
    g.add(1, 0);
    expect(collect(ep)).toEqual([1]);
    ep.decRef();
    expect(vfs.epollAccounting.watches).toBe(before);
    expect(g.queue.isEmpty()).toBe(true);
  });

  test("nests up to a depth and refuses circles", () => {
    const eps = [newEpoll(), newEpoll(), newEpoll(), newEpoll(), newEpoll(), newEpoll()];
    const at = (i: number): EventPoll => eps[i] ?? newEpoll();
    for (let i = 0; i < 4; i++) expect(at(i + 1).add(at(i), i, EPOLLIN, 0, 0)).toBe(0);
    expect(at(5).add(at(4), 4, EPOLLIN, 0, 0)).toBe(-errno.ELOOP);
    expect(at(0).add(at(2), 2, EPOLLIN, 0, 0)).toBe(-errno.ELOOP);
    const f = eventfd();
    at(0).add(f, 9, EPOLLIN, 0, 0);
    expect(at(4).readiness(EPOLLIN)).toBe(0);
    f.add(1, 0);
    expect(at(4).readiness(EPOLLIN)).toBe(EPOLLIN);
    f.low = 0;
    expect(at(4).readiness(EPOLLIN)).toBe(0);
  });

  test("bounds wakeup paths and watches", () => {
    const f = eventfd();
    const outer: EventPoll[] = [];
    let r = 0;
    const middle = newEpoll();
    middle.add(f, 1, EPOLLIN, 0, 0);
    for (let i = 0; i < 600 && r === 0; i++) {
      const o = newEpoll();
      outer.push(o);
      r = o.add(middle, 1, EPOLLIN, 0, 0);
    }
    expect(outer.length).toBe(600);
    const second = newEpoll();
    second.add(middle, 2, EPOLLIN, 0, 0);
    const few = new EpollAccounting();
    few.maxUserWatches = 1;
    const ep = new EventPoll(vfs.newAnonVirtualDentry("[eventpoll]"), O_RDWR, few);
    expect(ep.add(eventfd(), 1, EPOLLIN, 0, 0)).toBe(0);
    expect(ep.add(eventfd(), 2, EPOLLIN, 0, 0)).toBe(-errno.ENOSPC);
  });
});
