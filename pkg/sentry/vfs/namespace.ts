import type { StateType } from "../../state/index.ts";
import { stateType } from "../../state/index.ts";
import type { UserNamespace } from "../kernel/auth/index.ts";
import type { Dentry } from "./dentry.ts";

/** Kinds of namespaces, as indices of what is counted per user (enum ucount_type). */
export const UCOUNT_USER_NAMESPACES = 0;
export const UCOUNT_PID_NAMESPACES = 1;
export const UCOUNT_UTS_NAMESPACES = 2;
export const UCOUNT_IPC_NAMESPACES = 3;
export const UCOUNT_NET_NAMESPACES = 4;
export const UCOUNT_MNT_NAMESPACES = 5;
export const UCOUNT_CGROUP_NAMESPACES = 6;
/** Number of kinds. */
export const UCOUNT_COUNTS = 7;

/**
 * What all kinds of namespaces have in common (namespaces(7)): who governs it, how it is named on nsfs, and how long it lives. It is made with
 * one reference, the maker's, and ends when the last reference and the last holder of its file on nsfs are gone.
 */
export abstract class Namespace {
  static readonly stateType: StateType = stateType("vfs.Namespace", ["ino", "refs", "dentry", "creator", "ended"]);
  /** Inode number on nsfs. */
  readonly ino: number;
  /** Tasks in it, namespaces that belong to it, and its maker. */
  refs = 1;
  /** Its file on nsfs while there is one. Descriptors and mounts of it keep the namespace alive. */
  dentry: Dentry | null = null;
  /** The kernel uid it is charged to; -1: nobody, as the first of its kind. */
  creator = -1;
  ended = false;

  constructor(ino: number) {
    this.ino = ino;
  }

  /** CLONE_NEW*. */
  abstract cloneFlag(): number;

  /** The kind as in "mnt:[4026531832]". */
  abstract kindName(): string;

  /** UCOUNT_*. */
  abstract countedAs(): number;

  /** The user namespace whose capabilities govern it; the parent for a user namespace, null for the first one. */
  abstract governor(): UserNamespace | null;

  /** It is gone: lets go of what it held. */
  abstract release(): void;

  /** The name of its file on nsfs. */
  fileName(): string {
    return `${this.kindName()}:[${this.ino}]`;
  }

  /** Takes a reference. */
  incRef(): void {
    this.refs++;
  }

  /** Drops a reference. */
  decRef(): void {
    this.refs--;
    this.endIfUnused();
  }

  /** The last holder of its file is gone. */
  dentryReleased(): void {
    this.dentry = null;
    this.endIfUnused();
  }

  /** Ends it when nobody holds it any more. A file that nobody has open does not count. */
  endIfUnused(): void {
    if (this.ended || this.refs > 0 || (this.dentry !== null && this.dentry.refs > 0)) return;
    this.ended = true;
    this.dentry = null;
    const governor = this.governor();
    if (this.creator >= 0) governor?.uncharge(this.creator, this.countedAs());
    this.release();
    governor?.decRef();
  }
}
