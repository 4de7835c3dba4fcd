import { importsMapOf, isDomain, roomOf } from '../rooms.ts';
import type { Rule } from '../source-file.ts';

/** Whoever knows one domain folder knows all: each explains itself, has a door, and states its contract. */
export const domainShape: Rule = (files) => {
  const map = importsMapOf(files);
  const paths = new Set(files.map((file) => file.path));
  const domains = new Set(
    files.map(({ path }) => roomOf(path)).filter((room) => room.isInSource && isDomain(room.layer)),
  );
  return [...new Set([...domains].map((room) => room.layer))].sort().flatMap((layer) => {
    const wanted = ['README.md', 'index.ts', ...(map.has(`#${layer}/contract`) ? ['contract.ts'] : [])];
    return wanted
      .map((name) => `src/${layer}/${name}`)
      .filter((path) => !paths.has(path))
      .map((path) => ({ path, line: 1, message: 'missing; every domain folder has it (see CONTRIBUTING.md)' }));
  });
};
