import { DT_DIR, direntType } from "../../../abi/linux/dirent.ts";
import * as linuxerr from "../../../errors/linuxerr/index.ts";
import { stateType } from "../../../state/index.ts";
import type { Task } from "../../kernel/task.ts";
import type { Dentry, DirentCallback, Inode } from "../../vfs/index.ts";
import { KernfsSymlink, StaticDirectory, StaticFile, StaticSymlink } from "../kernfs/index.ts";
import { isGone } from "./access.ts";
import type { ProcFilesystem } from "./filesystem.ts";
import { parseID } from "./ids.ts";
import { buildSysctl, SysctlDirectory } from "./sysctl.ts";
import { SYSTEM_FILES, SystemFile } from "./system_text.ts";
import { TaskDirectory, taskIno } from "./task_dir.ts";

/** Offset of the directory of process 0: those before belong to the other entries. */
const PID_OFFSET = 4096;

/** /proc/tty/drivers. */
const TTY_DRIVERS = `\
/dev/tty             /dev/tty        5       0 system:/dev/tty
/dev/ptmx            /dev/ptmx       5       2 system
pty_slave            /dev/pts      136 0-1048575 pty:slave
pty_master           /dev/ptm      128 0-1048575 pty:master
`;

/** The root of proc: fixed entries, and a directory for every process. */
export class RootDirectory extends StaticDirectory {
  static override readonly stateType = stateType("proc.RootDirectory", []);

  constructor(fs: ProcFilesystem) {
    super(fs, 0o555, 1);
    fs.lastIno = 1;
  }

  override fill(): void {
    const fs = this.proc();
    this.add("self", new SelfSymlink(fs, false));
    this.add("thread-self", new SelfSymlink(fs, true));
    for (const name of Object.keys(SYSTEM_FILES)) this.add(name, new SystemFile(fs, name));
    this.add("mounts", new StaticSymlink(fs, "self/mounts"));
    this.add("net", new StaticSymlink(fs, "self/net"));
    this.add("modules", new StaticFile(fs, ""));
    this.add("diskstats", new StaticFile(fs, ""));
    this.add("kmsg", new StaticFile(fs, "", 0o400));
    for (const name of ["bus", "driver", "fs", "irq"]) this.addDir(name);
    const tty = this.addDir("tty");
    tty.addDir("driver", 0o500);
    tty.add("drivers", new StaticFile(fs, TTY_DRIVERS));
    tty.addDir("ldisc");
    tty.add("ldiscs", new StaticFile(fs, "n_tty       0\n"));
    buildSysctl(fs, this.add("sys", new SysctlDirectory(fs, 0o555)));
  }

  /** The filesystem, typed. */
  proc(): ProcFilesystem {
    return this.fs as ProcFilesystem;
  }

  override linkCount(): number {
    return super.linkCount() + this.proc().pidNamespace.tasks.size;
  }

  override lookup(dir: Dentry, name: string): Inode | null {
    const fixed = super.lookup(dir, name);
    if (fixed !== null) return fixed;
    const id = parseID(name);
    if (id < 0) return null;
    // Threads can be looked up here too, though only leaders are listed.
    const t = this.proc().pidNamespace.taskWithID(id);
    return t === null || isGone(t) ? null : new TaskDirectory(this.proc(), t, false);
  }

  override readDir(offset: number, cb: DirentCallback): number {
    let at = offset;
    if (at < PID_OFFSET) {
      const entries = this.contents();
      const end = 2 + entries.size;
      let i = 2;
      for (const [name, inode] of entries) {
        if (i >= at && !cb.handle(name, direntType(inode.mode()), inode.ino, i + 1 === end ? PID_OFFSET : i + 1)) {
          return i;
        }
        i++;
      }
      at = PID_OFFSET;
    }
    const ns = this.proc().pidNamespace;
    const ids: number[] = [];
    for (const [id, t] of ns.tasks) {
      if (t.threadGroup.leader === t && PID_OFFSET + id >= at && !isGone(t)) ids.push(id);
    }
    ids.sort((a, b) => a - b);
    for (const id of ids) {
      if (!cb.handle(String(id), DT_DIR, taskIno(id, false), PID_OFFSET + id + 1)) return PID_OFFSET + id;
      at = PID_OFFSET + id + 1;
    }
    return at;
  }
}

/** /proc/self and /proc/thread-self: the reader's own directory. */
export class SelfSymlink extends KernfsSymlink {
  static override readonly stateType = stateType("proc.SelfSymlink", ["thread"]);
  readonly thread: boolean;

  constructor(fs: ProcFilesystem, thread: boolean) {
    super(fs);
    this.thread = thread;
  }

  override readlink(reader: Task | null): string {
    const fs = this.fs as ProcFilesystem;
    const t = reader ?? fs.reader();
    if (t === null) throw linuxerr.ENOENT;
    const tgid = fs.pidNamespace.idOfThreadGroup(t.threadGroup);
    const tid = fs.pidNamespace.idOfTask(t);
    if (tgid === 0 || tid === 0) throw linuxerr.ENOENT;
    return this.thread ? `${tgid}/task/${tid}` : String(tgid);
  }
}
