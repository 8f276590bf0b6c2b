/**
 * What Biome cannot check: the direction of imports, mutable state at module level, and the header of every package.
 *
 * Uses the TypeScript compiler's own parser. Ends with 1 and one line per finding when something is wrong; long files are a
 * warning only.
 */
import { dirname, join, relative } from "node:path";
import type { Expression, Node, SourceFile, TypeNode } from "typescript/unstable/ast";
import {
  isArrayLiteralExpression,
  isAsExpression,
  isCallExpression,
  isClassDeclaration,
  isExportDeclaration,
  isExternalModuleReference,
  isIdentifier,
  isImportDeclaration,
  isImportTypeNode,
  isLiteralTypeNode,
  isNewExpression,
  isNoSubstitutionTemplateLiteral,
  isObjectLiteralExpression,
  isPropertyDeclaration,
  isSatisfiesExpression,
  isStringLiteral,
  isTypeLiteralNode,
  isVariableStatement,
  NodeFlags,
  SyntaxKind,
} from "typescript/unstable/ast";
import { API } from "typescript/unstable/async";

const root = dirname(import.meta.dir);

/** Lines past which a file is mentioned. */
const longFile = 800;

/** Layers from the bottom up; a file may import from its own layer and those below. */
const layers: readonly (readonly [RegExp, number])[] = [
  [/^pkg\/abi\//, 0],
  [/^native\//, 0],
  [/^pkg\/tcpip\//, 2],
  [/^pkg\/sentry\//, 3],
  [/^pkg\//, 1],
  [/^runsc\//, 4],
  [/^shim\//, 5],
  [/^(test|tools)\//, 6],
];

/** Further rules: a file matching `from` must not import what `not` matches. `types` says that `import type` is let through. */
const rules: readonly { from: RegExp; not: RegExp; types: boolean; why: string }[] = [
  {
    from: /^pkg\/sentry\/(platform|memmap|usermem|arch|pgalloc|limits|time|fsutil)\//,
    not: /^pkg\/sentry\/(kernel|vfs|mm|loader|fsimpl|syscalls|socket|strace|control|watchdog)\//,
    types: true,
    why: "the layers under the kernel know no kernel",
  },
  {
    from: /^pkg\/sentry\/(vfs|fsimpl|mm|kernel|loader|socket)\//,
    not: /^pkg\/sentry\/syscalls\//,
    types: true,
    why: "only the runtime puts system calls into a kernel",
  },
  {
    from: /^pkg\/sentry\/(vfs|kernel|mm)\//,
    not: /^pkg\/sentry\/fsimpl\//,
    types: true,
    why: "file systems are registered, not named",
  },
  {
    from: /^pkg\/sentry\/(vfs|mm)\//,
    not: /^pkg\/sentry\/kernel\//,
    types: true,
    why: "vfs and mm stand under the kernel",
  },
  {
    from: /^runsc\/boot\//,
    not: /^(runsc\/(cli|cmd|sandbox|container)\/|node_modules\/yargs)/,
    types: true,
    why: "the confined process carries no command line",
  },
];

/** Files whose module-level buffers are scratch space of one host call. */
const scratchFiles = /^pkg\/hostsyscall\//;
const mutableClasses =
  /^(Map|Set|WeakMap|WeakSet|Array|ArrayBuffer|SharedArrayBuffer|DataView|Buffer|(Big)?(Int|Uint)(8|16|32|64)(Clamped)?Array|Float(32|64)Array)$/;
/** Classes whose instances do not change. */
const immutableClasses = /^(TextEncoder|TextDecoder|RegExp|Error)$/;
/** Classes of the project all of whose fields are readonly: their instances may be constants. */
const valueClasses = new Set<string>();
const readonlyTypes = /^(Readonly|ReadonlyMap|ReadonlySet|ReadonlyArray|ArrayLike|StateType)$/;

/** Tests and what only they use: module state and imports within their layer are theirs to choose. */
const testFiles = /(\.test\.ts$|\/testutil\/|^test\/)/;

const findings: string[] = [];
const warnings: string[] = [];

/** One line about a place in a file. */
function report(sf: SourceFile, path: string, node: Node, message: string): void {
  const lines = sf.text.slice(0, node.getStart(sf)).split("\n");
  findings.push(`${path}:${lines.length}: ${message}`);
}

/** The layer of a repository path, or null for something else. */
function layerOf(path: string): number | null {
  for (const [re, layer] of layers) if (re.test(path)) return layer;
  return null;
}

/** Checks the direction of one import. */
function checkImport(sf: SourceFile, path: string, node: Node, specifier: string, typeOnly: boolean): void {
  const target = specifier.startsWith(".")
    ? relative(root, join(root, dirname(path), specifier))
    : `node_modules/${specifier}`;
  const mine = layerOf(path);
  const other = layerOf(target);
  if (mine !== null && other !== null && other > mine && !(typeOnly && mine === 3 && other === 3)) {
    report(sf, path, node, `imports ${target}: imports point down only`);
  }
  if (testFiles.test(path)) return;
  for (const r of rules) {
    if (r.from.test(path) && r.not.test(target) && !(typeOnly && r.types)) {
      report(sf, path, node, `imports ${target}: ${r.why}`);
    }
  }
}

/** What a call loads code with: `import`, `require` and the like; null for another call. */
function loader(callee: Expression, sf: SourceFile): string | null {
  if (callee.kind === SyntaxKind.ImportKeyword) return "import";
  const text = callee.getText(sf);
  return /^(require|module\.require|import\.meta\.require)$/.test(text) ? text : null;
}

/** Checks all imports at or below a node, whatever their form: at the top, as types, and where a call loads a module. */
function checkImports(sf: SourceFile, path: string, node: Node): void {
  if (isImportDeclaration(node) && isStringLiteral(node.moduleSpecifier)) {
    const typeOnly = node.importClause?.getText(sf).startsWith("type ") === true;
    checkImport(sf, path, node, node.moduleSpecifier.text, typeOnly);
  } else if (isExportDeclaration(node) && node.moduleSpecifier !== undefined && isStringLiteral(node.moduleSpecifier)) {
    checkImport(sf, path, node, node.moduleSpecifier.text, node.isTypeOnly);
  } else if (isExternalModuleReference(node) && isStringLiteral(node.expression)) {
    checkImport(sf, path, node, node.expression.text, false);
  } else if (isImportTypeNode(node) && isLiteralTypeNode(node.argument) && isStringLiteral(node.argument.literal)) {
    checkImport(sf, path, node, node.argument.literal.text, true);
  } else if (isCallExpression(node)) {
    const how = loader(node.expression, sf);
    const [what] = node.arguments;
    if (how !== null && what !== undefined && (isStringLiteral(what) || isNoSubstitutionTemplateLiteral(what))) {
      checkImport(sf, path, node, what.text, false);
    } else if (how !== null && !testFiles.test(path)) {
      report(sf, path, node, `${how}() of a name that is worked out`);
    }
  } else if (isIdentifier(node) && node.text === "createRequire" && !testFiles.test(path)) {
    report(sf, path, node, "createRequire hides what is imported");
  }
  node.forEachChild((n) => {
    checkImports(sf, path, n);
  });
}

/** Whether a declared type says that the value is not changed. */
function isReadonlyType(t: TypeNode | undefined, sf: SourceFile): boolean {
  if (t === undefined) return false;
  if (t.kind === SyntaxKind.TypeOperator) return t.getText(sf).startsWith("readonly ");
  if (isTypeLiteralNode(t)) {
    return t.members.every((m) => "modifiers" in m && m.getText(sf).startsWith("readonly "));
  }
  const name = /^[A-Za-z]+/.exec(t.getText(sf))?.[0] ?? "";
  return readonlyTypes.test(name);
}

/** Why the value of a module-level constant is mutable state, or null. */
function mutableReason(e: Expression | undefined, type: TypeNode | undefined, sf: SourceFile): string | null {
  if (e === undefined) return null;
  if (isReadonlyType(type, sf)) return null;
  if (isAsExpression(e) || isSatisfiesExpression(e)) {
    if (isAsExpression(e) && (e.type.getText(sf) === "const" || isReadonlyType(e.type, sf))) return null;
    return mutableReason(e.expression, undefined, sf);
  }
  if (isCallExpression(e)) {
    const callee = e.expression.getText(sf);
    if (/^(Array\.from|Array|Buffer\.(alloc|from|allocUnsafe))$/.test(callee))
      return `${callee}() makes a mutable value`;
    return null;
  }
  if (isNewExpression(e)) {
    const name = isIdentifier(e.expression) ? e.expression.text : e.expression.getText(sf);
    if (immutableClasses.test(name) || valueClasses.has(name)) return null;
    return mutableClasses.test(name) ? `a ${name} that is not of a readonly type` : `an instance of ${name}`;
  }
  if (isArrayLiteralExpression(e)) return "an array that is not readonly";
  if (isObjectLiteralExpression(e)) return "an object that is neither `as const` nor Readonly<>";
  return null;
}

/** Checks the statements at the top of a module for state. */
function checkState(sf: SourceFile, path: string): void {
  for (const s of sf.statements) {
    if (isVariableStatement(s)) {
      const list = s.declarationList;
      if ((list.flags & NodeFlags.Const) === 0) {
        report(sf, path, s, "mutable variable at module level");
        continue;
      }
      for (const d of list.declarations) {
        const why = mutableReason(d.initializer, d.type, sf);
        if (why !== null) report(sf, path, d, `mutable state at module level: ${why}`);
      }
    } else if (isClassDeclaration(s)) {
      for (const m of s.members) {
        if (!isPropertyDeclaration(m)) continue;
        const words = (m.modifiers ?? []).map((w) => w.getText(sf));
        if (!words.includes("static")) continue;
        if (!words.includes("readonly")) report(sf, path, m, "static field that is not readonly");
        const why = mutableReason(m.initializer, m.type, sf);
        if (why !== null) report(sf, path, m, `mutable static state: ${why}`);
      }
    }
  }
}

const api = new API({ cwd: root });
const snapshot = await api.updateSnapshot({ openProjects: [join(root, "tsconfig.json")] });
const project = snapshot.getProjects()[0];
if (project === undefined) throw new Error("lint: tsconfig.json opens no project");
for (const name of project.rootFiles) {
  const sf = await project.program.getSourceFile(name);
  for (const s of sf?.statements ?? []) {
    if (sf === undefined || !isClassDeclaration(s) || s.name === undefined) continue;
    const fields = s.members.filter(isPropertyDeclaration).map((m) => (m.modifiers ?? []).map((w) => w.getText(sf)));
    if (fields.every((w) => w.includes("static") || w.includes("readonly"))) valueClasses.add(s.name.text);
  }
}
const packages = new Set<string>();
const headers = new Set<string>();
let files = 0;
for (const name of project.rootFiles) {
  const path = relative(root, name);
  if (layerOf(path) === null || !path.endsWith(".ts")) continue;
  const sf = await project.program.getSourceFile(name);
  if (sf === undefined) continue;
  files++;
  const isTest = testFiles.test(path);
  checkImports(sf, path, sf);
  if (!isTest && !path.startsWith("tools/") && !scratchFiles.test(path)) checkState(sf, path);
  if (/^(pkg|runsc|shim)\//.test(path) && !isTest) {
    packages.add(dirname(path));
    if (path.endsWith("/index.ts") && /^\/\*\*?\s[\s\S]{80,}?\*\//.test(sf.text)) headers.add(dirname(path));
  }
  const lines = sf.text.split("\n").length;
  if (lines > longFile && !isTest) warnings.push(`${path}: ${lines} lines: could this be two files?`);
}
await api.close();
for (const p of packages) {
  if (!headers.has(p)) findings.push(`${p}/index.ts: missing, or its first comment is not the package's header`);
}

for (const w of warnings.sort()) console.log(`warning: ${w}`);
for (const f of findings.sort()) console.log(f);
console.log(`lint: ${files} files, ${findings.length} findings, ${warnings.length} warnings`);
process.exit(findings.length === 0 ? 0 : 1);
