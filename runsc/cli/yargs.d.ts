/** The part of yargs that the command line uses; the package has no types of its own. */
declare module "yargs" {
  export interface Option {
    readonly type: "boolean" | "string" | "number";
    readonly default?: boolean | string | number;
    readonly describe?: string;
    readonly choices?: readonly string[];
    readonly array?: boolean;
  }
  export interface Argv {
    parserConfiguration(c: Readonly<Record<string, boolean>>): Argv;
    scriptName(name: string): Argv;
    usage(text: string): Argv;
    option(name: string, o: Option): Argv;
    options(o: Readonly<Record<string, Option>>): Argv;
    command(name: string, describe: string): Argv;
    strictOptions(on: boolean): Argv;
    help(on: false): Argv;
    version(on: false): Argv;
    locale(name: string): Argv;
    wrap(columns: number | null): Argv;
    exitProcess(on: boolean): Argv;
    showHelpOnFail(on: boolean): Argv;
    fail(f: (message: string, error: Error | undefined) => never): Argv;
    getHelp(): Promise<string>;
    parseSync(args: readonly string[]): Record<string, unknown> & { _: (string | number)[]; "--"?: string[] };
  }
  export default function yargs(args?: readonly string[]): Argv;
}
