/** The project's own native module: system calls, safe copies, process creation, watchdog. Placed or compiled when first imported. */
import cloneSource from "./clone.c" with { type: "text" };
import controlSource from "./control.c" with { type: "text" };
import direntsSource from "./dirents.c" with { type: "text" };
import hostSource from "./host.c" with { type: "text" };
import { loadNative, type NativeModule, type NativeSymbol } from "./index.ts";
import ioPoolSource from "./io_pool.c" with { type: "text" };
import keepThreadsSource from "./keep_threads.c" with { type: "text" };
import safecopySource from "./safecopy.c" with { type: "text" };
import signalsSource from "./signals.c" with { type: "text" };
import spawnSource from "./spawn.c" with { type: "text" };
import statSource from "./stat.c" with { type: "text" };
import stringsSource from "./strings.c" with { type: "text" };
import threadSource from "./thread.c" with { type: "text" };
import watchdogSource from "./watchdog.c" with { type: "text" };

const numbers4 = ["i64_fast", "i64_fast", "i64_fast", "i64_fast"] as const;
const numbers13 = [...numbers4, ...numbers4, ...numbers4, "i64_fast"] as const;
const numbers16 = [...numbers4, ...numbers4, ...numbers4, ...numbers4] as const;

/** What the module is made of. */
export const hostModule = {
  source: [
    hostSource,
    safecopySource,
    stringsSource,
    direntsSource,
    statSource,
    cloneSource,
    spawnSource,
    threadSource,
    watchdogSource,
    controlSource,
    signalsSource,
    ioPoolSource,
    keepThreadsSource,
  ].join(""),
  name: "host.c",
  symbols: {
    host_calls: { args: [], returns: "i64_fast" },
    host_sys3: { args: ["i32", "ptr", "ptr", "ptr"], returns: "i64_fast" },
    host_sys6: { args: ["i32", "ptr", "ptr", "ptr", "ptr", "ptr", "ptr"], returns: "i64_fast" },
    host_fstat: { args: ["i32", "ptr"], returns: "i64_fast" },
    stat_is: { args: ["ptr", ...numbers13], returns: "i64_fast" },
    stat_store: { args: ["ptr", ...numbers16], returns: "i64_fast" },
    safe_install: { args: [], returns: "i64_fast" },
    safe_copy: { args: ["ptr", "ptr", "i64_fast"], returns: "i64_fast" },
    safe_zero: { args: ["ptr", "i64_fast"], returns: "i64_fast" },
    safe_load32: { args: ["ptr"], returns: "i64_fast" },
    safe_store32: { args: ["ptr", "i32"], returns: "i64_fast" },
    safe_cas32: { args: ["ptr", "i32", "i32"], returns: "i64_fast" },
    safe_op32: { args: ["ptr", "i32", "i32"], returns: "i64_fast" },
    string_find: { args: ["ptr", "ptr", "i64_fast"], returns: "i64_fast" },
    strings_take: {
      args: ["ptr", "i64_fast", "ptr", "i64_fast", "i64_fast", "i64_fast", "ptr"],
      returns: "i64_fast",
    },
    strings_point: { args: ["ptr", "ptr", "i64_fast", "i64_fast"], returns: "void" },
    words_until_zero: { args: ["ptr", "i64_fast"], returns: "i64_fast" },
    signals_forward: { args: ["i32", "i64_fast", "i64_fast"], returns: "i64_fast" },
    dirents_take: {
      args: ["ptr", "i64_fast", "i64_fast", "ptr", "i64_fast", "i64_fast", "i64_fast", "ptr", "i64_fast", "ptr"],
      returns: "void",
    },
    spawn_start: { args: ["ptr"], returns: "i64_fast" },
    spawn_go: { args: ["ptr"], returns: "i64_fast" },
    spawn_wait: { args: ["ptr"], returns: "i64_fast" },
    watchdog_start: { args: ["ptr", "i64_fast"], returns: "i64_fast" },
    watchdog_stop: { args: ["ptr"], returns: "i64_fast" },
    io_pool_start: { args: ["ptr", "i32", "i64_fast"], returns: "i64_fast" },
    io_pool_submit: { args: ["ptr", "i32"], returns: "i64_fast" },
    io_pool_stop: { args: ["ptr"], returns: "i64_fast" },
    keep_threads: { args: ["ptr", "i64_fast"], returns: "i64_fast" },
  },
} as const satisfies NativeModule<Record<string, NativeSymbol>>;

/** The compiled functions. Meaning, arguments and results are described at each function in the C files. */
export const native = loadNative(hostModule);
