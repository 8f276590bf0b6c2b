import { stateType } from "../../../state/index.ts";
import type { MappingIdentity } from "../../memmap/index.ts";
import type { ShmSegment } from "./segment.ts";

/**
 * One shmat(2): the identity of the vmas that came of it, also in children and when mprotect or munmap cut it to pieces. Each reference is a
 * mapping in the count of the segment. It starts with one.
 */
export class ShmAttachment implements MappingIdentity {
  static readonly stateType = stateType("shm.ShmAttachment", ["segment"]);
  readonly segment: ShmSegment;

  constructor(segment: ShmSegment) {
    this.segment = segment;
    segment.attached();
  }

  incRef(): void {
    this.segment.attached();
  }

  decRef(): void {
    this.segment.detached();
  }

  mappedName(): string {
    return this.segment.name;
  }

  /** The device of Linux's internal tmpfs: 0:1. */
  deviceID(): number {
    return 1;
  }

  /** The id of the segment. */
  inodeID(): number {
    return this.segment.id;
  }

  msyncRange(_start: number, _end: number): void {}

  /** MADV_REMOVE: punches a hole. */
  allocate(_mode: number, offset: number, length: number): void {
    this.segment.memory.punch(offset, offset + length);
  }
}
