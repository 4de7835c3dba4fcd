import type { Span } from './trace.ts';

/** A span as a line of the tree. */
export interface SpanRow {
  readonly span: Span;
  /** How many others it lies within. */
  readonly depth: number;
  /** How many spans lie within it, at all depths. */
  readonly within: number;
  readonly isOpen: boolean;
}

interface Node {
  readonly span: Span;
  readonly children: Node[];
}

/**
 * The lines of a trace in the order in which its steps began, each below the one that called it, without what lies in
 * closed ones. A span whose parent is not there, or that lies within itself, is shown at the top.
 */
export function spanRows(spans: readonly Span[], closed: ReadonlySet<string>): readonly SpanRow[] {
  const rows: SpanRow[] = [];
  const stack = rootsOf(spans)
    .toReversed()
    .map((node) => ({ node, depth: 0 }));
  const counts = new Map<string, number>();
  for (;;) {
    const next = stack.pop();
    if (!next) return rows;
    const { node, depth } = next;
    const isOpen = !closed.has(node.span.id);
    rows.push({ span: node.span, depth, within: countWithin(node, counts), isOpen });
    if (!isOpen) continue;
    for (const child of node.children.toReversed()) stack.push({ node: child, depth: depth + 1 });
  }
}

function rootsOf(spans: readonly Span[]): readonly Node[] {
  const ordered = [...spans].sort((a, b) => a.startUs - b.startUs);
  const nodes = new Map(ordered.map((span) => [span.id, { span, children: [] as Node[] }]));
  const roots: Node[] = [];
  for (const node of nodes.values()) {
    const parent = node.span.parent === null ? undefined : nodes.get(node.span.parent);
    if (parent && !isWithin(parent.span, node.span, nodes)) parent.children.push(node);
    else roots.push(node);
  }
  return roots;
}

/** Whether a span lies within another, by its chain of parents. */
function isWithin(span: Span, outer: Span, nodes: ReadonlyMap<string, Node>): boolean {
  const seen = new Set<string>();
  let at: Span | undefined = span;
  while (at && !seen.has(at.id)) {
    if (at.id === outer.id) return true;
    seen.add(at.id);
    at = at.parent === null ? undefined : nodes.get(at.parent)?.span;
  }
  return false;
}

function countWithin(root: Node, counts: Map<string, number>): number {
  const known = counts.get(root.span.id);
  if (known !== undefined) return known;
  // Children before their parents, without recursion: a trace may be as deep as it has spans.
  const order: Node[] = [];
  const stack = [root];
  for (let node = stack.pop(); node; node = stack.pop()) {
    order.push(node);
    stack.push(...node.children);
  }
  for (const node of order.toReversed()) {
    const within = node.children.reduce((sum, child) => sum + 1 + (counts.get(child.span.id) ?? 0), 0);
    counts.set(node.span.id, within);
  }
  return counts.get(root.span.id) ?? 0;
}

/** When the last span ended, in microseconds; at least one, so that bars have a scale. */
export function endOf(spans: readonly Span[]): number {
  return spans.reduce((end, { startUs, durationUs }) => Math.max(end, startUs + (durationUs ?? 0)), 1);
}
