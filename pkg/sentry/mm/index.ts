/**
 * Package mm is guest address spaces: vmas (what the guest asked for), pmas (what backs it), the host address space as a cache of the pmas.
 * A MemoryManager belongs to the tasks that share it and is touched on the sentry's one thread only; segments that it returns (VMA, PMA)
 * are good until its next change.
 */
export { AnonMappable, AnonPiece } from "./anon_mappable.ts";
export {
  FAULT_ACCERR,
  FAULT_BUSERR,
  FAULT_MAPERR,
  FAULT_NOMEM,
  FAULT_RESOLVED,
  type FaultResult,
} from "./faults.ts";
export { ForcedIO } from "./forced_io.ts";
export { madviseValid } from "./madvise.ts";
export {
  type Limits,
  MemoryManager,
  type MemoryManagerOpts,
  type MmapLayout,
  SharedKey,
} from "./memory_manager.ts";
export { canLock } from "./mlock.ts";
export { PMA } from "./pma.ts";
export {
  type LineWriter,
  MemoryUsage,
  mapsLine,
  smapsBlock,
  smapsRollup,
  statm,
  vmaName,
  vmFlags,
  writeMaps,
  writeSmaps,
} from "./proc.ts";
export { effectivePerms, LOCK_EAGER, LOCK_NONE, LOCK_ONFAULT, type LockMode, VMA } from "./vma.ts";
export { mlockFutureOK } from "./vma_ops.ts";
