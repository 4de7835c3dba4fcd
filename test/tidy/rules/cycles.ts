import { importsMapOf, resolveImport } from '../rooms.ts';
import type { Rule, Violation } from '../source-file.ts';

/** Files import values in one direction: a cycle makes the order of initialisation an accident. */
export const cycles: Rule = (files) => {
  const map = importsMapOf(files);
  const edges = new Map<string, ReadonlyMap<string, number>>();
  for (const file of files) {
    const targets = new Map<string, number>();
    for (const statement of file.imports) {
      if (statement.isType || statement.isDynamic) continue;
      const target = resolveImport(file.path, statement, map);
      if (target && !targets.has(target)) targets.set(target, statement.line);
    }
    edges.set(file.path, targets);
  }
  return findCycles(edges);
};

/** Depth-first search; one violation for each import that leads back to a file whose imports are being followed. */
function findCycles(edges: ReadonlyMap<string, ReadonlyMap<string, number>>): Violation[] {
  const done = new Set<string>();
  const trail: string[] = [];
  const found: Violation[] = [];
  for (const path of [...edges.keys()].sort()) visit(path);
  return found;

  function visit(path: string): void {
    if (done.has(path)) return;
    trail.push(path);
    for (const [target, line] of edges.get(path) ?? []) {
      const start = trail.indexOf(target);
      if (start < 0) visit(target);
      else {
        const round = [...trail.slice(start), target].join(' → ');
        found.push({ path, line, message: `imports itself: ${round}; move what both need into a file of its own` });
      }
    }
    trail.pop();
    done.add(path);
  }
}
