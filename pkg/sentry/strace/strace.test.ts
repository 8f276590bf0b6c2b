import { expect, test } from "bun:test";
import { SYSCALL_NAMES } from "../../abi/linux/syscalls.ts";
import { ENUM_SETS, FLAG_SETS, formatEnum, formatFlags } from "./flags.ts";
import { quote } from "./reader.ts";
import { isStruct, signalSet, waitStatus } from "./structs.ts";
import { syscallFormats } from "./table.ts";

const OTHER_KINDS = new Set(
  (
    "int uint size off hex ptr octal fd dirfd path str cstr buf iov argv envp pollfds epollevents fdset sockaddr sockaddrp signal " +
    "clonesig futexop socktypeflags"
  ).split(" "),
);

test("every format names a system call and uses kinds that exist", () => {
  const names = new Set(SYSCALL_NAMES.filter((n) => n !== undefined));
  for (const [name, f] of syscallFormats()) {
    expect(names.has(name)).toBe(true);
    expect(f.args.length).toBeLessThanOrEqual(6);
    for (const k of f.args) {
      const known = OTHER_KINDS.has(k) || FLAG_SETS[k] !== undefined || ENUM_SETS[k] !== undefined || isStruct(k);
      if (!known) throw new Error(`${name}: ${k}`);
    }
  }
});

test("no set of names is empty", () => {
  for (const [k, s] of [...Object.entries(FLAG_SETS), ...Object.entries(ENUM_SETS)]) {
    if (s.length === 0) throw new Error(k);
  }
});

test("values", () => {
  expect(formatFlags(FLAG_SETS["prot"] ?? [], 3)).toBe("PROT_READ|PROT_WRITE");
  expect(formatFlags(FLAG_SETS["openflags"] ?? [], 0o2000000 | 0x80000000)).toBe("O_CLOEXEC|0x80000000");
  expect(formatEnum(ENUM_SETS["whence"] ?? [], 1)).toBe("SEEK_CUR");
  expect(formatEnum(ENUM_SETS["ioctlcmd"] ?? [], 0x5401)).toBe("TCGETS");
  expect(quote(Uint8Array.from([65, 0, 49, 10, 34, 200]), 5)).toBe('"A\\0001\\n\\""...');
  expect(signalSet(1, 0)).toBe("[HUP]");
  expect(signalSet(0xffffffff, 0xffffffff)).toBe("~[]");
  expect(waitStatus(0x100)).toBe("[{WIFEXITED(s) && WEXITSTATUS(s) == 1}]");
  expect(waitStatus(0x89)).toBe("[{WIFSIGNALED(s) && WTERMSIG(s) == SIGKILL && WCOREDUMP(s)}]");
});
