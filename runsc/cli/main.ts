export {};

/**
 * Where every runsc process starts. Internal commands are dispatched before anything else is loaded: they start faster, and the
 * confined process carries no command line parser.
 */
const args = process.argv.slice(2);
if (args[0] === "boot") {
  const { bootMain } = await import("../boot/main.ts");
  bootMain();
} else {
  // The parser asks process.stdout for its width; making that stream would set O_NONBLOCK on a description that others share, the
  // container's command among them. Nothing of ours uses these streams.
  const none = { columns: 80, isTTY: false, write: (): boolean => true };
  for (const name of ["stdin", "stdout", "stderr"]) Object.defineProperty(process, name, { value: none });
  const { runCommandLine } = await import("./cli.ts");
  process.exit(await runCommandLine(args));
}
