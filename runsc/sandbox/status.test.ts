import { expect, test } from "bun:test";
import { exitCode } from "./sandbox.ts";
import { parseStatus } from "./status.ts";

test("messages are taken apart and checked", () => {
  expect(parseStatus('{"state":"loaded"}')).toEqual({ state: "loaded" });
  expect(parseStatus('{"state":"exit","status":256}')).toEqual({ state: "exit", status: 256 });
  expect(parseStatus('{"state":"error","message":"m","code":127,"more":1}')).toEqual({
    state: "error",
    message: "m",
    code: 127,
  });
  for (const bad of [
    "",
    "null",
    "[]",
    "1",
    "{",
    '{"state":"other"}',
    '{"state":"exit"}',
    '{"state":"error","message":1,"code":2}',
  ]) {
    expect(parseStatus(bad)).toBe(null);
  }
});

test("wait statuses become exit codes", () => {
  expect(exitCode(0)).toBe(0);
  expect(exitCode(42 << 8)).toBe(42);
  expect(exitCode(9)).toBe(137);
  expect(exitCode(11 | 0x80)).toBe(139);
});
