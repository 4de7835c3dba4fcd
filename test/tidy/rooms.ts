import { posix } from 'node:path';
import type { ImportStatement } from './imports.ts';
import type { SourceFile } from './source-file.ts';

/** Layers from the bottom to the top; each imports only layers to its left. Domains stand between the two lists. */
const lowerLayers: readonly string[] = ['core', 'math', 'learn', 'ports', 'platform'];
const upperLayers: readonly string[] = ['client/steps', 'adapters', 'apps'];

/** A domain imports only domains of a strictly lower rank. */
const domainRanks: Readonly<Record<string, number>> = {
  datasets: 1,
  tracking: 2,
  features: 2,
  registry: 3,
  pipelines: 3,
  training: 4,
  lineage: 4,
  serving: 4,
  monitoring: 5,
  automation: 6,
  governance: 7,
};

/** Layers whose folders each have a door of their own, and how many folders deep that door is. */
const doorDepth: Readonly<Record<string, number>> = { learn: 1, platform: 1, adapters: 2, client: 1 };

export interface Room {
  /** Folder that only its own files may reach into: `src/datasets`, `src/platform/http`, `test`. */
  readonly folder: string;
  /** First folder below src (`platform`, `datasets`), or the first folder of the tree for what is not in src. */
  readonly layer: string;
  readonly isInSource: boolean;
}

export function roomOf(path: string): Room {
  const [first = '', layer = '', ...rest] = path.split('/');
  if (first !== 'src') return { folder: layer ? first : '', layer: layer ? first : '', isInSource: false };
  const depth = Math.min(doorDepth[layer] ?? 0, rest.length - 1);
  return { folder: ['src', layer, ...rest.slice(0, Math.max(0, depth))].join('/'), layer, isInSource: true };
}

export function isDomain(layer: string): boolean {
  return Object.hasOwn(domainRanks, layer);
}

/** Height of a layer of src, or undefined for a folder that has none. `client` stands aside: see the ranks rule. */
export function heightOf(layer: string): number | undefined {
  const lower = lowerLayers.indexOf(layer);
  if (lower >= 0) return lower;
  const rank = domainRanks[layer];
  if (rank !== undefined) return 10 + rank;
  const upper = upperLayers.indexOf(layer);
  return upper >= 0 ? 100 + upper : undefined;
}

/** `monitoring (rank 5)`, `adapters`. */
export function nameWithRank(layer: string): string {
  const rank = domainRanks[layer];
  return rank === undefined ? layer : `${layer} (rank ${rank})`;
}

/** The `imports` map of package.json. */
export type ImportsMap = ReadonlyMap<string, string>;

export function importsMapOf(files: readonly SourceFile[]): ImportsMap {
  const text = files.find((file) => file.path === 'package.json')?.text ?? '{}';
  const { imports = {} }: { imports?: Record<string, string> } = JSON.parse(text);
  return new Map(Object.entries(imports));
}

/** Path of the file that an import of `path` means; undefined for a package and for a `#name` that has no door. */
export function resolveImport(path: string, { specifier }: ImportStatement, doors: ImportsMap): string | undefined {
  if (specifier.startsWith('.')) return posix.join(posix.dirname(path), specifier.replace(/\?.*$/, ''));
  if (!specifier.startsWith('#')) return undefined;
  const exact = doors.get(specifier);
  if (exact) return posix.normalize(exact);
  for (const [pattern, target] of doors) {
    const [before = '', after] = pattern.split('*');
    if (after === undefined || !specifier.startsWith(before) || !specifier.endsWith(after)) continue;
    const middle = specifier.slice(before.length, specifier.length - after.length);
    if (middle) return posix.normalize(target.replaceAll('*', middle));
  }
  return undefined;
}
