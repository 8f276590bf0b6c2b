import { loadNative, type NativeFunctions, type NativeModule, type NativeSymbol } from "../../../../native/index.ts";
import source from "../../../../native/systrap.c" with { type: "text" };

const symbols = {
  systrap_blob: { args: ["ptr"], returns: "i64_fast" },
  systrap_recv: { args: ["i64_fast", "ptr"], returns: "i64_fast" },
  systrap_send: { args: ["i64_fast", "i64_fast", "i64_fast", "i64_fast"], returns: "i64_fast" },
  systrap_wait: { args: ["i64_fast", "i64_fast", "ptr", "ptr", "i64_fast"], returns: "i64_fast" },
  systrap_await: { args: ["i64_fast", "i64_fast", "ptr"], returns: "i64_fast" },
  systrap_spin: { args: ["ptr", "i64_fast", "i64_fast", "ptr"], returns: "i64_fast" },
  systrap_answer: { args: ["i64_fast", "i64_fast"], returns: "i64_fast" },
  systrap_refuse: { args: ["i64_fast"], returns: "i64_fast" },
  systrap_calm: { args: ["i64_fast"], returns: "i64_fast" },
  systrap_select: { args: ["i64_fast", "i64_fast"], returns: "i64_fast" },
  systrap_cpu: { args: [], returns: "i64_fast" },
  systrap_clear: { args: ["i64_fast"], returns: "i64_fast" },
  systrap_spawn: { args: ["i64_fast"], returns: "i64_fast" },
} as const satisfies Record<string, NativeSymbol>;

/** What the platform's native module is made of. */
export const systrapModule = { source, name: "systrap.c", symbols } as const satisfies NativeModule<typeof symbols>;

/** The native functions of the platform (native/systrap.c). All return a value >= 0 or a negative errno. */
export type SystrapNative = NativeFunctions<typeof symbols>;

/** Loads native/systrap.c. Must be called before the sentry leaves the host's root. */
export function loadSystrapNative(): SystrapNative {
  return loadNative(systrapModule);
}
