/** The classes of characters that the line discipline knows: those of Latin-1 (lib/ctype.c). */

/** Whether a character moves no cursor by itself. */
export function isControl(c: number): boolean {
  return c < 32 || c === 127;
}

function isUpper(c: number): boolean {
  return (c >= 65 && c <= 90) || (c >= 192 && c <= 222 && c !== 215);
}

function isLower(c: number): boolean {
  return (c >= 97 && c <= 122) || (c >= 223 && c !== 247);
}

/** Letters and digits. */
export function isAlphanumeric(c: number): boolean {
  return isUpper(c) || isLower(c) || (c >= 48 && c <= 57);
}

/** The capital of a letter. */
export function toUpper(c: number): number {
  return isLower(c) ? c - 32 : c;
}

/** The small letter of a capital. */
export function toLower(c: number): number {
  return isUpper(c) ? c + 32 : c;
}

/** Whether a byte continues a character of UTF-8. */
export function isContinuation(c: number): boolean {
  return (c & 0xc0) === 0x80;
}
