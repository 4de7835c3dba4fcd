/** What may be compared in one kind of search, and how. Fields go by `entity.key`, as in `params.lr`. */
export interface FilterLanguage {
  /** All fields on offer, as filters have them. */
  readonly fields: readonly string[];
  /** The field that a text names, whichever of its names it is. */
  readonly canonical: (text: string) => string;
  readonly operatorsOf: (field: string) => readonly string[];
  /** Values on offer for a field, without quotes. */
  readonly valuesOf: (field: string) => readonly string[];
}

/** What a filter of runs may speak of, with what is known of the experiment at hand. */
export interface FilterVocabulary {
  readonly metrics: readonly string[];
  readonly params: readonly string[];
  readonly tags: readonly string[];
  /** Values that were seen of a field, as in `params.optimizer`. */
  readonly valuesOf: (field: string) => readonly string[];
}

export interface Completion {
  /** Where the text begins that a suggestion replaces; it ends at the cursor. */
  readonly start: number;
  readonly suggestions: readonly string[];
}

const SUGGESTED_MAX = 12;
const ATTRIBUTES = ['run_id', 'run_name', 'user_id', 'status', 'artifact_uri', 'start_time', 'end_time'];
const NUMBERS = new Set(['attributes.start_time', 'attributes.end_time']);
const STATUSES = ['RUNNING', 'SCHEDULED', 'FINISHED', 'FAILED', 'KILLED'];
export const NUMBER_OPERATORS = ['=', '!=', '>', '>=', '<', '<='];
export const TEXT_OPERATORS = ['=', '!=', 'LIKE', 'ILIKE', 'IN (', 'NOT IN ('];
export const PRESENCE = ['IS NULL', 'IS NOT NULL'];
const ENTITIES: Readonly<Record<string, string>> = {
  metric: 'metrics',
  param: 'params',
  parameter: 'params',
  parameters: 'params',
  tag: 'tags',
  attribute: 'attributes',
  attr: 'attributes',
  run: 'attributes',
  dataset: 'datasets',
};

type Kind = 'field' | 'operator' | 'value' | 'joint';

interface Piece {
  readonly text: string;
  readonly at: number;
}

const PIECE = /\s+|'(?:[^']|'')*'?|[<>!]=|[=<>]|[(),]|[\p{L}\p{N}_./+-]*(?:["`](?:[^"`])*["`]?)|[\p{L}\p{N}_./+-]+|./gu;

/** What may stand at the cursor, after all that stands before it. */
export function completionAt(text: string, cursor: number, language: FilterLanguage): Completion {
  const before = text.slice(0, cursor);
  const pieces = [...before.matchAll(PIECE)].map((match) => ({ text: match[0], at: match.index }));
  const last = pieces.at(-1);
  const isOpen = last !== undefined && /^[\p{L}\p{N}_'"`]/u.test(last.text) && !isClosed(last.text);
  const done = (isOpen ? pieces.slice(0, -1) : pieces).filter(({ text: piece }) => piece.trim() !== '');
  const word = isOpen ? last.text : '';
  const start = isOpen ? last.at : cursor;
  const { kind, field } = expected(done, language);
  const offered = offer(kind, field, language);
  const wanted = word.toLowerCase();
  const found = offered.filter((each) => each.toLowerCase() !== wanted && matches(each, wanted));
  return { start, suggestions: found.slice(0, SUGGESTED_MAX) };
}

function isClosed(piece: string): boolean {
  return /^'(?:[^']|'')*'$/.test(piece);
}

/** A suggestion fits what was typed when it begins so, or when its key does: `au` finds `metrics.auc`. */
function matches(offered: string, wanted: string): boolean {
  const text = offered.toLowerCase();
  if (text.startsWith(wanted)) return true;
  const key = text.slice(text.indexOf('.') + 1).replace(/^`/, '');
  return wanted.length > 0 && !wanted.includes('.') && key.includes(wanted.replace(/^'/, ''));
}

/** Walks through the pieces as the grammar does, without judging: the server says what is wrong. */
function expected(pieces: readonly Piece[], language: FilterLanguage): { readonly kind: Kind; readonly field: string } {
  let kind: Kind = 'field';
  let field = '';
  let isList = false;
  for (const { text } of pieces) {
    const word = text.toUpperCase();
    if (kind === 'field') {
      if (text === '(' || word === 'NOT') continue;
      field = language.canonical(text);
      kind = 'operator';
    } else if (kind === 'operator') {
      if (word === 'IS' || word === 'NOT') continue;
      if (word === 'NULL') kind = 'joint';
      else if (word === 'IN') isList = true;
      else kind = 'value';
    } else if (kind === 'value') {
      if (!isList) kind = 'joint';
      else if (text === ')') {
        isList = false;
        kind = 'joint';
      }
    } else if (word === 'AND' || word === 'OR') kind = 'field';
  }
  return { kind, field };
}

/** `entity.key` for a text that may leave out the entity, quote the key, or call the entity something else. */
export function canonicalField(
  text: string,
  names: { readonly bare: string; readonly aliases: Readonly<Record<string, string>> },
): string {
  const dot = text.indexOf('.');
  if (dot < 0) return `${names.bare}.${text}`;
  const entity = text.slice(0, dot);
  return `${names.aliases[entity] ?? entity}.${text.slice(dot + 1).replace(/^["`]|["`]$/g, '')}`;
}

function offer(kind: Kind, field: string, language: FilterLanguage): readonly string[] {
  if (kind === 'joint') return ['AND', 'OR'];
  if (kind === 'operator') return language.operatorsOf(field);
  if (kind === 'value') return language.valuesOf(field).map((value) => `'${value.replaceAll("'", "''")}'`);
  return [...language.fields, 'NOT'];
}

/** The language that runs are searched in. */
export function runLanguage(vocabulary: FilterVocabulary): FilterLanguage {
  const isNumber = (field: string) => field.startsWith('metrics.') || NUMBERS.has(field);
  return {
    fields: [
      ...vocabulary.metrics.map((key) => fieldText('metrics', key)),
      ...vocabulary.params.map((key) => fieldText('params', key)),
      ...vocabulary.tags.map((key) => fieldText('tags', key)),
      ...ATTRIBUTES.map((key) => `attributes.${key}`),
      ...['name', 'digest', 'context'].map((key) => `datasets.${key}`),
    ],
    canonical: (text) => canonicalField(text, { bare: 'attributes', aliases: ENTITIES }),
    operatorsOf(field) {
      const optional = /^(metrics|params|tags)\./.test(field) ? PRESENCE : [];
      return [...(isNumber(field) ? NUMBER_OPERATORS : TEXT_OPERATORS), ...optional];
    },
    valuesOf(field) {
      if (isNumber(field)) return [];
      return field === 'attributes.status' ? STATUSES : vocabulary.valuesOf(field);
    },
  };
}

/** A field as filters and orders have it: a key that is no plain word stands in back quotes. */
export function fieldText(entity: string, key: string): string {
  return /^[\p{L}\p{N}_][\p{L}\p{N}_./-]*$/u.test(key)
    ? `${entity}.${key}`
    : `${entity}.\`${key.replaceAll('`', '``')}\``;
}

/** The place that the server names in its message, as an index into the filter. */
export function positionIn(message: string): number | undefined {
  const found = /\(position (\d+)\)/.exec(message)?.[1];
  return found === undefined ? undefined : Number(found);
}
