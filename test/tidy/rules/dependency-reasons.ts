import type { Rule, Violation } from '../source-file.ts';

const document = 'docs/dependencies.md';

/** Each dependency is somebody else's code in our product: why it is there is written down. */
export const dependencyReasons: Rule = (files) => {
  const manifest = files.find((file) => file.path === 'package.json');
  const table = files.find((file) => file.path === document);
  if (!manifest || !table) return [{ path: document, line: 1, message: 'missing; it has a line for every dependency' }];
  const { dependencies = {}, devDependencies = {} }: Record<string, Record<string, string> | undefined> = JSON.parse(
    manifest.text,
  );
  const wanted = [...Object.keys(dependencies), ...Object.keys(devDependencies)];
  const explained = new Map<string, number>();
  for (const [index, line] of table.lines.entries()) {
    const name = /^\|\s*`([^`]+)`\s*\|/.exec(line)?.[1];
    if (name) explained.set(name, index + 1);
  }
  const missing = wanted
    .filter((name) => !explained.has(name))
    .map((name): Violation => {
      const line = manifest.lines.findIndex((candidate) => candidate.includes(`"${name}":`)) + 1;
      return { path: 'package.json', line, message: `${name} has no line in ${document}; say why it is needed` };
    });
  const stale = [...explained]
    .filter(([name]) => !wanted.includes(name))
    .map(([name, line]): Violation => ({ path: document, line, message: `${name} is no dependency; delete the line` }));
  return [...missing, ...stale];
};
