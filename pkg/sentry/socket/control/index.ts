/**
 * Package control is ancillary data of sockets (cmsg(3)): descriptors and credentials on their way (SCM_RIGHTS, SCM_CREDENTIALS). Parsing works on
 * a private copy of what the guest sent; received data is stored in the guest piece by piece. Rights hold references of their own.
 */
export { parseControl } from "./parse.ts";
export { receiveControl } from "./receive.ts";
export { RightsAccounting, SCMRights } from "./rights.ts";
