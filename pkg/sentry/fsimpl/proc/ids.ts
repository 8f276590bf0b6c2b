/** A process id as a directory name: decimal without leading zeros; -1 for anything else. */
export function parseID(name: string): number {
  if (name.length === 0 || name.length > 10 || (name.charCodeAt(0) === 0x30 && name.length > 1)) return -1;
  let n = 0;
  for (let i = 0; i < name.length; i++) {
    const c = name.charCodeAt(i) - 0x30;
    if (c < 0 || c > 9) return -1;
    n = n * 10 + c;
  }
  return n;
}
