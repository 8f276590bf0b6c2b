/**
 * Package shm is System V shared memory (shmget(2)): segments of zero-filled memory that live until they were removed and nobody has them
 * mapped. A mapping is counted through its ShmAttachment, which memory managers hold a reference on for each vma.
 */
export { ShmAttachment } from "./attachment.ts";
export { ShmRegistry } from "./registry.ts";
export { ShmSegment } from "./segment.ts";
