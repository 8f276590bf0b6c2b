import { stateType } from "../../state/index.ts";

/** Hands out File.fileID numbers; one per sentry, reachable as MemoryFile.fileIDs. */
export class FileIDs {
  static readonly stateType = stateType("memmap.FileIDs", ["last"]);
  last = 0;

  /** A number never given before. */
  newFileID(): number {
    this.last++;
    return this.last;
  }
}
