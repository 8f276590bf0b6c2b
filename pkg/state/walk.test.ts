import { expect, test } from "bun:test";
import { stateType } from "./index.ts";
import { findViolations } from "./walk.ts";

class Good {
  static readonly stateType = stateType("test.Good", ["n", "peers", "next"], ["cache"]);
  n = 1;
  peers: Map<string, Good> = new Map();
  next: unknown = null;
  cache: () => void = () => {};
}

class Derived extends Good {
  static override readonly stateType = stateType("test.Derived", ["extra"]);
  extra: Uint8Array = new Uint8Array(4);
}

class Unregistered {
  x = 1;
}

class Forgetful {
  static readonly stateType = stateType("test.Forgetful", []);
  forgotten = 1;
}

test("a graph of described classes has no violations", () => {
  const g = new Good();
  g.peers.set("self", g);
  g.next = [new Derived(), { plain: "data" }, null, "text"];
  expect(findViolations(g)).toEqual([]);
});

test("what cannot be saved is reported once, with its path", () => {
  const g = new Good();
  g.next = [new Unregistered(), new Unregistered(), new Forgetful(), { f: () => 1 }, (function* () {})()];
  expect(findViolations(g)).toEqual([
    { path: "next[0]", problem: "class Unregistered has no stateType" },
    { path: "next[2].forgotten", problem: "field Forgetful.forgotten is in neither list of its stateType" },
    { path: "next[4]", problem: "a suspended generator is held at next[4]" },
    { path: "next[3].f", problem: "a function is held at next[3].f" },
  ]);
});
