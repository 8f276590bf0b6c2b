/**
 * Package config holds what the global flags of runsc say. A Config is made once per process, from the command line or, in the
 * sandbox, from what the parent sent, and is never changed afterwards.
 */
export {
  type Config,
  defaultConfig,
  type FileAccessType,
  fileAccessTypes,
  globalFlags,
  type NetworkType,
  networkTypes,
  platformNames,
} from "./config.ts";
