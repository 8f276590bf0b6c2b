import { expect, test } from "bun:test";
import * as linux from "../../../abi/linux/capability.ts";
import { LinuxError } from "../../../errors/linuxerr/index.ts";
import {
  ALL_CAPS,
  CapabilitySet,
  type Credentials,
  EMPTY_CAPS,
  execCredentials,
  NO_ID,
  newRootCredentials,
  newRootUserNamespace,
  parseFileCapabilities,
} from "./index.ts";

const root = (): Credentials => newRootCredentials(newRootUserNamespace());

function errorOf(f: () => unknown): string {
  try {
    f();
  } catch (e) {
    if (e instanceof LinuxError) return e.name;
    throw e;
  }
  return "";
}

test("dropping root drops capabilities", () => {
  const c = root().setuid(1000);
  expect([c.realKUID, c.effectiveKUID, c.savedKUID, c.fsKUID]).toEqual([1000, 1000, 1000, 1000]);
  expect(c.permittedCaps.isEmpty()).toBe(true);
  expect(c.effectiveCaps.isEmpty()).toBe(true);
  expect(c.boundingCaps.equals(ALL_CAPS)).toBe(true);
  expect(errorOf(() => c.setuid(0))).toBe("EPERM");
  expect(errorOf(() => c.setuid(NO_ID))).toBe("EINVAL");
});

test("the effective id moves effective capabilities", () => {
  const c = root().setresuid(NO_ID, 1000, NO_ID);
  expect(c.effectiveCaps.isEmpty()).toBe(true);
  expect(c.permittedCaps.equals(ALL_CAPS)).toBe(true);
  expect(c.setresuid(NO_ID, 0, NO_ID).effectiveCaps.equals(ALL_CAPS)).toBe(true);
});

test("keepcaps and no_setuid_fixup", () => {
  const c = root().setKeepCaps(1).setuid(5);
  expect(c.permittedCaps.equals(ALL_CAPS)).toBe(true);
  expect(c.effectiveCaps.isEmpty()).toBe(true);
  const d = root().setSecurebits(linux.SECBIT_NO_SETUID_FIXUP).setuid(5);
  expect(d.effectiveCaps.equals(ALL_CAPS)).toBe(true);
  expect(errorOf(() => root().setKeepCaps(2))).toBe("EINVAL");
});

test("setreuid sets the saved id by Linux's rule", () => {
  const c = root().setresuid(1, 2, 3);
  const d = c.setreuid(2, 1);
  expect([d.realKUID, d.effectiveKUID, d.savedKUID]).toEqual([2, 1, 1]);
  const e = c.setreuid(NO_ID, 1);
  expect([e.realKUID, e.effectiveKUID, e.savedKUID]).toEqual([1, 1, 3]);
  expect(errorOf(() => c.setreuid(3, NO_ID))).toBe("EPERM");
  expect(c.setreuid(NO_ID, 3).effectiveKUID).toBe(3);
});

test("setfsuid moves the filesystem capabilities", () => {
  const c = root().setfsuid(7);
  expect(c.fsKUID).toBe(7);
  expect(c.hasCapability(linux.CAP_DAC_OVERRIDE)).toBe(false);
  expect(c.hasCapability(linux.CAP_SYS_ADMIN)).toBe(true);
  expect(c.setfsuid(0).hasCapability(linux.CAP_DAC_OVERRIDE)).toBe(true);
  const u = root().setuid(9);
  expect(u.setfsuid(10)).toBe(u);
});

test("groups", () => {
  const c = root().setgroups([30, 10, 20]);
  expect(c.inGroup(10) && c.inGroup(20) && c.inGroup(30) && c.inGroup(0)).toBe(true);
  expect(c.inGroup(11)).toBe(false);
  expect(root().setuid(4).maySetgroups()).toBe(false);
});

test("capset", () => {
  const some = CapabilitySet.of(linux.CAP_CHOWN, linux.CAP_BPF);
  const c = root().capset(some, some, EMPTY_CAPS);
  expect(c.permittedCaps.equals(some)).toBe(true);
  expect(errorOf(() => c.capset(ALL_CAPS, ALL_CAPS, EMPTY_CAPS))).toBe("EPERM");
  expect(errorOf(() => c.capset(some, EMPTY_CAPS, EMPTY_CAPS))).toBe("EPERM");
  const i = c.capset(some, some, some).ambientRaise(linux.CAP_BPF);
  expect(i.ambientIsSet(linux.CAP_BPF)).toBe(1);
  expect(i.capset(some, some, EMPTY_CAPS).ambientIsSet(linux.CAP_BPF)).toBe(0);
  expect(errorOf(() => c.ambientRaise(linux.CAP_BPF))).toBe("EPERM");
  expect(errorOf(() => c.capbsetDrop(1))).toBe("EPERM");
  expect(root().capbsetDrop(1).capbsetRead(1)).toBe(0);
  expect(errorOf(() => root().capbsetRead(41))).toBe("EINVAL");
});

test("exec", () => {
  const plain = { setKUID: -1, setKGID: -1, fileCaps: null, noNewPrivs: false, unsafe: false };
  const user = root().setuid(1000);
  let r = execCredentials(user, plain);
  expect(r.creds.permittedCaps.isEmpty()).toBe(true);
  expect(r.secureExec).toBe(false);
  r = execCredentials(root(), plain);
  expect(r.creds.effectiveCaps.equals(ALL_CAPS)).toBe(true);
  expect(r.secureExec).toBe(false);
  // cap_net_raw+ep
  const v = new Uint8Array(20);
  new DataView(v.buffer).setUint32(0, 0x02000001, true);
  new DataView(v.buffer).setUint32(4, 1 << 13, true);
  const fileCaps = parseFileCapabilities(v);
  r = execCredentials(user, { ...plain, fileCaps });
  expect(r.creds.effectiveCaps.equals(CapabilitySet.of(linux.CAP_NET_RAW))).toBe(true);
  expect(r.secureExec).toBe(true);
  r = execCredentials(user, { ...plain, fileCaps, noNewPrivs: true });
  expect(r.creds.effectiveCaps.isEmpty()).toBe(true);
  const bounded = root().capbsetDrop(linux.CAP_NET_RAW).setuid(1000);
  expect(errorOf(() => execCredentials(bounded, { ...plain, fileCaps }))).toBe("EPERM");
  expect(errorOf(() => parseFileCapabilities(v.subarray(0, 16)))).toBe("EINVAL");
});
