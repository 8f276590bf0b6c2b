import { HostStrings, STRING_PLACES } from "../../hostsyscall/index.ts";
import { stateType } from "../../state/index.ts";
import { KnownPath } from "../vfs/known_path.ts";

/** Byte strings that were copied in lately: a program that gives one again makes no new string, and a path may lead where it led before. */
export class StringTable {
  static readonly stateType = stateType("kernel.StringTable", [], ["memory", "known"]);
  readonly memory: HostStrings = new HostStrings();
  /** By place. */
  readonly known: (KnownPath | null)[] = new Array(STRING_PLACES).fill(null);

  /**
   * The NUL-terminated string at an address of the sentry, of which `room` bytes may be read. Good until the next one is looked for. Null when it is long, or
   * does not end there: read it in pieces.
   */
  find(address: number, room: number): KnownPath | null {
    const r = this.memory.find(address, room);
    if (r >= 0) {
      const known = this.known[r] ?? null;
      // Only the empty string is found where none was put.
      if (known !== null) return known;
    } else if (r < -STRING_PLACES) return null;
    return this.add(r < 0 ? -1 - r : r);
  }

  /** A string has come to a place. */
  add(place: number): KnownPath {
    const known = this.known[place] ?? new KnownPath();
    this.known[place] = known;
    known.become(this.memory.text(place));
    return known;
  }
}
