/** Writes what the larger lines work on: a C project of many small files, and a large file. */
import { closeSync, ftruncateSync, mkdirSync, openSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Source files of the project. */
const FILES = 30;
/** Functions in each. */
const FUNCTIONS = 10;

/** Pseudo-random whole numbers below a bound, the same ones every time. */
class Random {
  state: number;
  constructor(seed: number) {
    this.state = seed;
  }
  below(n: number): number {
    this.state = (Math.imul(this.state, 1103515245) + 12345) & 0x7fffffff;
    return (this.state >>> 8) % n;
  }
}

/** A function with loops, a switch, a structure and calls, so that the compiler has something to optimise. */
function functionText(file: number, index: number, random: Random): string {
  const cases = Array.from(
    { length: 6 },
    (_, i) =>
      `    case ${i}: acc ${["+=", "^=", "-="][random.below(3)]} it->v[${random.below(8)}] * ${random.below(97) + 1}; break;`,
  ).join("\n");
  const other = random.below(FILES);
  return `
long work_${file}_${index}(struct item *it, int n) {
  long acc = ${random.below(1000)};
  char text[64];
  for (int i = 0; i < n; i++) {
    switch ((it->v[i & 7] + acc) % 7) {
${cases}
    default: acc += (long)strlen(it->name) + i;
    }
    it->v[(i + ${random.below(8)}) & 7] = (int)(acc >> ${random.below(5) + 1});
    if (acc > ${100000 + random.below(900000)}) acc = table_${other}[i & 15] + (long)(sqrt((double)i) * ${random.below(9) + 1});
  }
  snprintf(text, sizeof text, "%s:%ld:%d", it->name, acc, n);
  return acc + (long)strlen(text)${index > 0 ? ` + work_${file}_${index - 1}(it, n / 2)` : ""};
}
`;
}

/** Writes the project: `make -B` builds it below its directory. */
export function writeProject(dir: string): void {
  const random = new Random(4242);
  mkdirSync(join(dir, "src"), { recursive: true });
  const header = [
    "#ifndef COMMON_H",
    "#define COMMON_H",
    ...["math", "stdio", "stdlib", "string", "stdint", "unistd", "errno"].map((h) => `#include <${h}.h>`),
    "struct item { int v[8]; char name[32]; struct item *next; };",
  ];
  for (let f = 0; f < FILES; f++) {
    header.push(`extern const long table_${f}[16];`);
    for (let i = 0; i < FUNCTIONS; i++) header.push(`long work_${f}_${i}(struct item *it, int n);`);
  }
  writeFileSync(join(dir, "src/common.h"), `${[...header, "#endif"].join("\n")}\n`);
  for (let f = 0; f < FILES; f++) {
    const table = Array.from({ length: 16 }, () => random.below(100000)).join(", ");
    let text = `#include "common.h"\n\nconst long table_${f}[16] = {${table}};\n`;
    for (let i = 0; i < FUNCTIONS; i++) text += functionText(f, i, random);
    writeFileSync(join(dir, `src/part_${f}.c`), text);
  }
  const calls = Array.from({ length: FILES }, (_, f) => `  sum += work_${f}_${FUNCTIONS - 1}(&it, 50);`).join("\n");
  writeFileSync(
    join(dir, "src/main.c"),
    `#include "common.h"\n\nint main(void) {\n  struct item it = {{1, 2, 3, 4, 5, 6, 7, 8}, "main", 0};\n  long sum = 0;\n${calls}\n  printf("%ld\\n", sum);\n  return 0;\n}\n`,
  );
  writeFileSync(
    join(dir, "Makefile"),
    `OBJECTS = $(patsubst src/%.c,out/%.o,$(wildcard src/*.c))

out/program: $(OBJECTS)
\t$(CC) -o $@ $(OBJECTS) -lm

out/%.o: src/%.c src/common.h
\t@mkdir -p out
\t$(CC) -O1 -Wall -c -o $@ $<
`,
  );
}

/** Writes a file of a size that reads as zeros. */
export function writeLargeFile(path: string, size: number): void {
  const fd = openSync(path, "w");
  ftruncateSync(fd, size);
  closeSync(fd);
}
