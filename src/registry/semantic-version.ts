import type { ModelSchema, ModelSignature } from './shapes.ts';

/** `<major>.<minor>.<patch>` of https://semver.org, where the interface that counts is the model's signature. */
export interface SemanticVersion {
  readonly major: number;
  readonly minor: number;
  readonly patch: number;
}

export const formatSemanticVersion = ({ major, minor, patch }: SemanticVersion): string => `${major}.${minor}.${patch}`;

/** Of a text that fits the schema. */
export function parseSemanticVersion(text: string): SemanticVersion {
  const [major = 0, minor = 0, patch = 0] = text.split('.').map(Number);
  return { major, minor, patch };
}

/**
 * The version after `last` for a model whose schema changes from `before` to `after`: a change that breaks a caller
 * makes a major version, one that only adds makes a minor one, anything else a patch. The first is 1.0.0.
 */
export function nextSemanticVersion(
  last: SemanticVersion | undefined,
  before: ModelSchema | null,
  after: ModelSchema | null,
): SemanticVersion {
  if (!last) return { major: 1, minor: 0, patch: 0 };
  switch (schemaChange(before, after)) {
    case 'breaking':
      return { major: last.major + 1, minor: 0, patch: 0 };
    case 'added':
      return { ...last, minor: last.minor + 1, patch: 0 };
    case 'none':
      return { ...last, patch: last.patch + 1 };
  }
}

/**
 * What a caller notices of the change. Breaking: an input that is new and required, becomes required, is gone or takes
 * another type; an output that is gone or has another type; a parameter that is gone or has another type; a schema that
 * is not known any more. Added: optional inputs, outputs, parameters, an input that becomes optional or takes a wider
 * type, a schema where there was none.
 */
export function schemaChange(before: ModelSchema | null, after: ModelSchema | null): 'breaking' | 'added' | 'none' {
  if (before === null) return after === null ? 'none' : 'added';
  if (after === null) return 'breaking';
  const changes = [
    ...changesOf(before.inputs, after.inputs, 'taken'),
    ...changesOf(before.outputs, after.outputs, 'given'),
    ...changesOf(before.params, after.params, 'taken'),
  ];
  if (changes.includes('breaking')) return 'breaking';
  return changes.includes('added') ? 'added' : 'none';
}

type Fields = ModelSchema['inputs'];
type Change = 'breaking' | 'added' | 'none';

function changesOf(before: Fields, after: Fields, direction: 'taken' | 'given'): Change[] {
  const old = new Map(before.map((field) => [field.name, field]));
  const now = new Map(after.map((field) => [field.name, field]));
  const gone: Change[] = before.filter((field) => !now.has(field.name)).map(() => 'breaking');
  const kept = after.map((field): Change => {
    const was = old.get(field.name);
    if (!was) return direction === 'taken' && field.required ? 'breaking' : 'added';
    if (was.type !== field.type) {
      return direction === 'taken' && (WIDER[was.type] ?? []).includes(field.type) ? 'added' : 'breaking';
    }
    if (was.required === field.required || direction === 'given') return 'none';
    return field.required ? 'breaking' : 'added';
  });
  return [...gone, ...kept];
}

/** Types that take every value of a narrower one: MLflow's own safe conversions of an input. */
const WIDER: Readonly<Record<string, readonly string[]>> = {
  integer: ['long', 'double'],
  long: ['double'],
  float: ['double'],
};

/** The columns of a model that was sent with a signature of the platform's own. */
export function schemaOfSignature({ inputs, output }: ModelSignature): ModelSchema {
  return {
    inputs: inputs.map(({ name, kind }) => ({ name, type: kind, required: true })),
    outputs: [{ name: output, type: 'numeric', required: true }],
    params: [],
  };
}
