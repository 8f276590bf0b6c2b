import type { Task } from "./task.ts";

/** A bug of the sentry: the sandbox cannot go on. */
export class SentryPanic extends Error {
  /** What the sentry was doing. */
  readonly during: string;

  constructor(message: string, during: string, cause: unknown) {
    super(message, { cause });
    this.name = "SentryPanic";
    this.during = during;
  }
}

/** Describes an unexpected throw. */
export function makePanic(cause: unknown, t: Task | null): SentryPanic {
  const what = cause instanceof Error ? `${cause.name}: ${cause.message}\n${cause.stack ?? ""}` : String(cause);
  let during = "the event loop";
  if (t !== null) {
    const nr = t.sysno;
    const name = t.kernel.syscallTable[nr]?.name ?? `#${nr}`;
    const args: string[] = [];
    for (let i = 0; i < 6; i++) args.push(`0x${t.args.u64(i).toString(16)}`);
    during = `task ${t.tid} (${t.name}), state ${t.runState.name}, last call ${name}(${args.join(", ")})`;
  }
  return new SentryPanic(`sentry bug during ${during}: ${what}`, during, cause);
}
