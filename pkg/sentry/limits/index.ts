/**
 * Package limits holds the resource limits of processes (getrlimit(2)). A LimitSet belongs to a thread group and may be
 * read or changed at any time; Limit objects are immutable.
 */
export { Limit, LimitSet, NR_OPEN, newDefaultLimitSet } from "./limits.ts";
