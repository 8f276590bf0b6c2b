import { BINPRM_BUF_SIZE } from "../../abi/linux/elf.ts";

const TAB = 9;
const NEWLINE = 10;
const SPACE = 32;

/** The `#!` line of a script. */
export interface ScriptLine {
  /** Path of the interpreter, a byte string. */
  interpreter: string;
  /** The one optional argument: all the rest of the line. */
  arg: string | null;
}

function isBlank(c: number): boolean {
  return c === SPACE || c === TAB;
}

/** Index of the first byte in [from, to] that is not blank, or -1. */
function skipBlanks(b: Uint8Array, from: number, to: number): number {
  for (let i = from; i <= to; i++) if (!isBlank(b[i] ?? 0)) return i;
  return -1;
}

/** Index of the first blank or NUL in [from, to], or -1. */
function findEnd(b: Uint8Array, from: number, to: number): number {
  for (let i = from; i <= to; i++) {
    const c = b[i] ?? 0;
    if (c === 0 || isBlank(c)) return i;
  }
  return -1;
}

/** The bytes from `from` up to `to` or the first NUL. */
function text(b: Uint8Array, from: number, to: number): string {
  let s = "";
  for (let i = from; i < to; i++) {
    const c = b[i] ?? 0;
    if (c === 0) break;
    s += String.fromCharCode(c);
  }
  return s;
}

/** Whether the file begins like a script. */
export function isScript(buf: Uint8Array): boolean {
  return buf[0] === 0x23 && buf[1] === 0x21;
}

/**
 * Splits the `#!` line in the first BINPRM_BUF_SIZE bytes of a script (zeros behind its end), by the rules of execve(2): a name that may be
 * cut off is refused (null), an argument that is too long is cut.
 */
export function parseScript(buf: Uint8Array): ScriptLine | null {
  const last = BINPRM_BUF_SIZE - 1;
  let end = -1;
  // A NUL before the newline hides it.
  for (let i = 0; i < BINPRM_BUF_SIZE; i++) {
    const c = buf[i] ?? 0;
    if (c === 0) break;
    if (c === NEWLINE) {
      end = i;
      break;
    }
  }
  if (end < 0) {
    const name = skipBlanks(buf, 2, last);
    if (name < 0 || findEnd(buf, name, last) < 0) return null;
    end = last;
  }
  while (isBlank(buf[end - 1] ?? 0)) end--;
  const name = skipBlanks(buf, 2, end);
  if (name < 0 || name === end) return null;
  const sep = findEnd(buf, name, end);
  let arg = -1;
  if (sep >= 0 && buf[sep] !== 0) arg = skipBlanks(buf, sep, end);
  const nameEnd = sep >= 0 && arg >= 0 ? sep : end;
  const interpreter = text(buf, name, nameEnd);
  return { interpreter, arg: arg >= 0 ? text(buf, arg, end) : null };
}
