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
  const { runCommandLine } = await import("./cli.ts");
  process.exit(await runCommandLine(args));
}
