import { importsMapOf, resolveImport, roomOf } from '../rooms.ts';
import type { Rule, SourceFile, Violation } from '../source-file.ts';

/** What another room offers is imported by its door, `#name`; never by a path into its folder. */
export const doors: Rule = (files) => {
  const map = importsMapOf(files);
  const paths = new Set(files.map((file) => file.path));
  return files.flatMap((file) =>
    file.imports.flatMap((statement): Violation[] => {
      const { specifier, line } = statement;
      const target = resolveImport(file.path, statement, map);
      if (specifier.startsWith('#')) {
        if (target && paths.has(target) && isShallow(specifier, target)) return [];
        const message = `'${specifier}' is no door; import what package.json lists under "imports", or offer it there`;
        return [{ path: file.path, line, message }];
      }
      if (!target || mayReach(file, target)) return [];
      const message = `'${specifier}' reaches into ${roomOf(target).folder}; import it by its door (#…) instead`;
      return [{ path: file.path, line, message }];
    }),
  );
};

/** A pattern such as `#platform/*` would also open folders inside a room; its door is the room's own index.ts. */
function isShallow(specifier: string, target: string): boolean {
  if (!target.endsWith('/index.ts') || specifier.endsWith('/testing')) return true;
  return roomOf(target).folder === target.replace(/\/index\.ts$/, '');
}

function mayReach(file: SourceFile, target: string): boolean {
  const from = roomOf(file.path);
  const to = roomOf(target);
  if (from.folder === to.folder || to.folder === '') return true;
  if (from.isInSource || from.layer === 'ui' || from.layer === 'examples') return false;
  // Around src, tools and tests form one workshop, and apps have no door because nothing but these may start them.
  return to.isInSource ? to.layer === 'apps' : to.layer !== 'ui';
}
