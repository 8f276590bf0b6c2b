/**
 * Package auth is who may do what: credentials, capability sets and user namespaces (credentials(7), capabilities(7),
 * user_namespaces(7)). Credentials that a task holds are immutable and freely shared: a change makes a new object that
 * replaces the old one, between system calls or inside one. User namespaces change only when their id maps are written.
 */

export {
  Namespace,
  UCOUNT_CGROUP_NAMESPACES,
  UCOUNT_COUNTS,
  UCOUNT_IPC_NAMESPACES,
  UCOUNT_MNT_NAMESPACES,
  UCOUNT_NET_NAMESPACES,
  UCOUNT_PID_NAMESPACES,
  UCOUNT_USER_NAMESPACES,
  UCOUNT_UTS_NAMESPACES,
} from "../../vfs/namespace.ts";
export { ALL_CAPS, CapabilitySet, EMPTY_CAPS } from "./capability_set.ts";
export { Credentials, newRootCredentials, newUserCredentials, type TaskCapabilities } from "./credentials.ts";
export {
  type ExecCredentials,
  type ExecPrivileges,
  execCredentials,
  type FileCapabilities,
  parseFileCapabilities,
} from "./exec.ts";
export { IDMapEntry, NO_ID, newRootUserNamespace, OVERFLOW_ID, UserNamespace } from "./user_namespace.ts";
