/**
 * Package seccomp compiles allow-lists of system calls to seccomp filters and installs them.
 *
 * Rules say which calls, with which arguments, get which action; everything else gets the default action. A filter, once installed,
 * holds for the life of every thread it was put on and of their children: build it completely, check it with tests, install it once.
 */
export { bunDeniedRules, bunRules, bunThreadFlags } from "./bun_rules.ts";
export { compile, type FilterOptions } from "./compile.ts";
export { install, installWithListener } from "./install.ts";
export {
  type ArgCheck,
  equalTo,
  greaterThan,
  lessOrEqual,
  maskedEqual,
  notEqual,
  Rules,
  type SyscallRule,
} from "./rules.ts";
