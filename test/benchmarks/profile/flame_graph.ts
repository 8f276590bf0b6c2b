/** A flame graph as one SVG file without scripts: callers below, width is the share of samples, a tooltip has the name. */
import type { Stack } from "./stacks.ts";

const WIDTH = 1200;
const ROW = 16;
/** Narrower boxes are left out. */
const MIN_WIDTH = 1.5;
const CHARACTER = 6.2;

/** A caller with what it calls. */
class Node {
  readonly name: string;
  count = 0;
  readonly children: Map<string, Node> = new Map();
  constructor(name: string) {
    this.name = name;
  }
}

/** Text in XML. */
function escape(s: string): string {
  return s.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

/** A warm colour that is the same for the same name. */
function colour(name: string): string {
  let h = 0;
  for (let i = 0; i < name.length; i++) h = (Math.imul(h, 31) + name.charCodeAt(i)) | 0;
  return `hsl(${(h >>> 4) % 50},85%,${62 + ((h >>> 12) % 14)}%)`;
}

/** The graph of some samples. */
export function flameGraph(stacks: readonly Stack[], title: string): string {
  const root = new Node("all");
  let depth = 1;
  for (const s of stacks) {
    let node = root;
    root.count++;
    depth = Math.max(depth, s.frames.length + 1);
    for (const f of s.frames) {
      let next = node.children.get(f);
      if (next === undefined) {
        next = new Node(f);
        node.children.set(f, next);
      }
      next.count++;
      node = next;
    }
  }
  const height = (depth + 2) * ROW;
  const boxes: string[] = [];
  const draw = (node: Node, x: number, level: number): void => {
    const width = (WIDTH * node.count) / root.count;
    if (width < MIN_WIDTH) return;
    const y = height - (level + 1) * ROW;
    const share = ((100 * node.count) / root.count).toFixed(1);
    const room = Math.floor((width - 4) / CHARACTER);
    const label = room < 3 ? "" : node.name.length <= room ? node.name : `${node.name.slice(0, room - 1)}…`;
    boxes.push(
      `<g><title>${escape(node.name)} ${share}%</title><rect x="${x.toFixed(1)}" y="${y}" width="${width.toFixed(1)}" height="${ROW - 1}" fill="${colour(node.name)}"/>${
        label === "" ? "" : `<text x="${(x + 2).toFixed(1)}" y="${y + 11}">${escape(label)}</text>`
      }</g>`,
    );
    let at = x;
    for (const child of [...node.children.values()].sort((a, b) => (a.name < b.name ? -1 : 1))) {
      draw(child, at, level + 1);
      at += (WIDTH * child.count) / root.count;
    }
  };
  draw(root, 0, 0);
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" font-family="monospace" font-size="10">
<title>${escape(title)}</title>
<rect width="100%" height="100%" fill="#fff"/><text x="4" y="12" font-size="12">${escape(title)}</text>
${boxes.join("\n")}
</svg>
`;
}
