import { errors } from './errors.ts';
import { GBDT_LIMITS } from './limits.ts';
import type { Feature, GbdtModel, Tree } from './model.ts';

/** A model as JSON, one value per field of {@link GbdtModel}. Numbers round-trip exactly. */
export interface GbdtModelJson {
  readonly format: 'kedge-gbdt';
  readonly version: 1;
  readonly objective: GbdtModel['objective'];
  readonly baseScore: number;
  readonly features: readonly Feature[];
  readonly trees: readonly { readonly [Name in keyof Tree]: readonly number[] }[];
}

const TREE_FIELDS = ['feature', 'threshold', 'missingLeft', 'left', 'right', 'value', 'cover', 'gain'] as const;

export function gbdtToJson(model: GbdtModel): GbdtModelJson {
  const trees = model.trees.map((tree) => ({
    feature: Array.from(tree.feature),
    threshold: Array.from(tree.threshold),
    missingLeft: Array.from(tree.missingLeft),
    left: Array.from(tree.left),
    right: Array.from(tree.right),
    value: Array.from(tree.value),
    cover: Array.from(tree.cover),
    gain: Array.from(tree.gain),
  }));
  const { objective, baseScore, features } = model;
  return { format: 'kedge-gbdt', version: 1, objective, baseScore, features, trees };
}

/**
 * Reads what {@link gbdtToJson} wrote. The input is not trusted: every index is checked, so that scoring terminates and
 * stays inside the arrays. Throws `gbdt/invalid-model` naming the field.
 */
export function gbdtFromJson(json: unknown): GbdtModel {
  const source = record(json, 'model');
  if (source['format'] !== 'kedge-gbdt') throw invalid('format', "must be 'kedge-gbdt'");
  if (source['version'] !== 1) throw invalid('version', `must be 1, got ${String(source['version'])}`);
  const objective = source['objective'];
  if (objective !== 'binary' && objective !== 'regression') {
    throw invalid('objective', "must be 'binary' or 'regression'");
  }
  const baseScore = source['baseScore'];
  if (typeof baseScore !== 'number' || !Number.isFinite(baseScore))
    throw invalid('baseScore', 'must be a finite number');
  const features = list(source['features'], 'features', GBDT_LIMITS.columnsMax).map(readFeature);
  if (features.length === 0) throw invalid('features', 'must not be empty');
  if (new Set(features.map(({ name }) => name)).size < features.length) throw invalid('features', 'have a name twice');
  const trees = list(source['trees'], 'trees', GBDT_LIMITS.treesMax).map((tree, index) =>
    readTree(tree, `trees.${index}`, features.length),
  );
  return { objective, baseScore, features, trees };
}

function readFeature(json: unknown, index: number): Feature {
  const path = `features.${index}`;
  const { name, kind, ranked } = record(json, path);
  if (typeof name !== 'string') throw invalid(`${path}.name`, 'must be a string');
  if (kind === 'numeric') return { name, kind };
  if (kind !== 'category') throw invalid(`${path}.kind`, "must be 'numeric' or 'category'");
  const categories = list(ranked, `${path}.ranked`, GBDT_LIMITS.categoriesMax);
  const texts = categories.filter((category) => typeof category === 'string');
  if (texts.length !== categories.length) throw invalid(`${path}.ranked`, 'must hold strings');
  if (new Set(texts).size < texts.length) throw invalid(`${path}.ranked`, 'must be distinct');
  return { name, kind, ranked: texts };
}

function readTree(json: unknown, path: string, features: number): Tree {
  const source = record(json, path);
  const size = list(source['feature'], `${path}.feature`, 2 * GBDT_LIMITS.leavesMax - 1).length;
  if (size === 0) throw invalid(`${path}.feature`, 'must not be empty');
  const columns = Object.fromEntries(
    TREE_FIELDS.map((name) => [name, numbers(source[name], `${path}.${name}`, size)]),
  ) as { readonly [Name in keyof Tree]: number[] };
  columns.threshold.forEach((threshold, node) => {
    // Runtimes compare float32 values, so any other threshold would be rounded by some of them and not by others.
    if (Math.fround(threshold) !== threshold) throw invalid(`${path}.threshold.${node}`, 'must be a float32 number');
  });
  columns.missingLeft.forEach((flag, node) => {
    if (flag !== 0 && flag !== 1) throw invalid(`${path}.missingLeft.${node}`, `must be 0 or 1, got ${flag}`);
  });
  columns.cover.forEach((rows, node) => {
    if (rows <= 0) throw invalid(`${path}.cover.${node}`, `must be above 0, got ${rows}`);
  });
  columns.feature.forEach((feature, node) => {
    if (feature === -1) return;
    const at = `${path}.feature.${node}`;
    if (!Number.isInteger(feature) || feature < 0 || feature >= features) {
      throw invalid(at, `must be -1 or below the ${features} features, got ${feature}`);
    }
    for (const side of ['left', 'right'] as const) {
      const child = columns[side][node]!;
      if (Number.isInteger(child) && child > node && child < size) continue;
      throw invalid(`${path}.${side}.${node}`, `must be a later node below ${size}, got ${child}`);
    }
  });
  return {
    feature: Int32Array.from(columns.feature),
    threshold: Float64Array.from(columns.threshold),
    missingLeft: Uint8Array.from(columns.missingLeft),
    left: Int32Array.from(columns.left),
    right: Int32Array.from(columns.right),
    value: Float64Array.from(columns.value),
    cover: Float64Array.from(columns.cover),
    gain: Float64Array.from(columns.gain),
  };
}

function numbers(json: unknown, path: string, size: number): number[] {
  const values = list(json, path, 2 * GBDT_LIMITS.leavesMax - 1);
  if (values.length !== size) throw invalid(path, `has ${values.length} values, the tree has ${size} nodes`);
  return values.map((value, index) => {
    if (typeof value === 'number' && Number.isFinite(value)) return value;
    throw invalid(`${path}.${index}`, 'must be a finite number');
  });
}

function list(json: unknown, path: string, limit: number): unknown[] {
  if (!Array.isArray(json)) throw invalid(path, 'must be a list');
  if (json.length > limit) throw invalid(path, `has ${json.length} entries, the limit is ${limit}`);
  return json;
}

function record(json: unknown, path: string): { readonly [name: string]: unknown } {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) throw invalid(path, 'must be an object');
  return json as { readonly [name: string]: unknown };
}

function invalid(path: string, message: string): Error {
  return errors['invalid-model'](`${path} ${message}`, [{ path, message }]);
}
