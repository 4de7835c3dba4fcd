import { heightOf, importsMapOf, isDomain, nameWithRank, resolveImport, roomOf } from '../rooms.ts';
import type { Rule, SourceFile, Violation } from '../source-file.ts';

/** Knowledge flows down: a layer imports what is below it, a domain only domains of a strictly lower rank. */
export const ranks: Rule = (files) => {
  const map = importsMapOf(files);
  const unranked = new Set<string>();
  return files.flatMap((file) => {
    const { layer, isInSource } = roomOf(file.path);
    if (isInSource && layer !== 'client' && heightOf(layer) === undefined) {
      if (unranked.has(layer)) return [];
      unranked.add(layer);
      return [{ path: file.path, line: 1, message: `src/${layer} has no rank; give it one in test/tidy/rooms.ts` }];
    }
    return file.imports.flatMap((statement): Violation[] => {
      const target = resolveImport(file.path, statement, map);
      const message = target && objection(file, target);
      return message ? [{ path: file.path, line: statement.line, message }] : [];
    });
  });
};

const onlyApps = 'only apps import adapters; take the port as a dependency';

/** Why `file` may not import `target`; undefined when it may. */
function objection(file: SourceFile, target: string): string | undefined {
  const from = roomOf(file.path);
  const to = roomOf(target);
  if (from.folder === to.folder) return undefined;
  if (!from.isInSource) return from.layer === 'ui' && !file.isTest ? objectionInBrowser('ui', target) : undefined;
  if (!file.isTest && isTestTooling(target)) return 'test tooling is for tests; production code may not import it';
  if (file.isTest && (!to.isInSource || ['adapters', 'client'].includes(to.layer))) return undefined;
  if (!to.isInSource) return to.layer === '' ? undefined : `src may not import ${to.layer}/, which stands around it`;
  // Beside the client that a browser may load, `kedge/steps` runs in a step of a pipeline and builds on every domain.
  if (from.folder === 'src/client/steps') return objectionToHeight('client/steps', to.layer);
  if (from.layer === 'client') return objectionInBrowser('client', target);
  if (from.layer === 'apps') return undefined;
  if (to.layer === 'client') return 'only apps, ui and tests import the client';
  return objectionToHeight(from.layer, to.layer);
}

function objectionToHeight(from: string, to: string): string | undefined {
  if (to === 'adapters') return onlyApps;
  const fromHeight = heightOf(from) ?? 0;
  const toHeight = heightOf(to) ?? 0;
  if (from === to || toHeight < fromHeight) return undefined;
  const reason = isDomain(from) && isDomain(to) ? 'use an event or a port' : 'it does not stand below';
  return `${nameWithRank(from)} may not import ${nameWithRank(to)}; ${reason}`;
}

function objectionInBrowser(from: string, target: string): string | undefined {
  const isAllowed =
    target.endsWith('/contract.ts') ||
    /^src\/(core|platform\/contract)\//.test(target) ||
    (from === 'ui' && roomOf(target).folder === 'src/client');
  const also = from === 'ui' ? ', #client' : '';
  return isAllowed ? undefined : `${from} may import only contracts${also}, #platform/contract and #core`;
}

function isTestTooling(target: string): boolean {
  return /^test\/|\/testing\.ts$|\/(testing|conformance)\//.test(target);
}
