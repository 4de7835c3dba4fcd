import {
  canonicalField,
  type FilterLanguage,
  fieldText,
  NUMBER_OPERATORS,
  PRESENCE,
  TEXT_OPERATORS,
} from '../filter-completion.ts';
import { saidBy, type Trace } from './trace.ts';

type Known = Pick<Trace, 'name' | 'tags' | 'assessments'>;

const ATTRIBUTES = ['status', 'name', 'timestamp_ms', 'execution_time_ms', 'end_time_ms', 'trace_id', 'run_id'];
const NUMBERS = new Set(['timestamp_ms', 'execution_time_ms', 'end_time_ms'].map((key) => `attributes.${key}`));
const SPAN = ['name', 'type', 'status', 'content', 'attributes.'];
const PATTERNS = ['LIKE', 'ILIKE'];
const VALUES: Readonly<Record<string, readonly string[]>> = {
  'attributes.status': ['OK', 'ERROR', 'IN_PROGRESS'],
  'span.status': ['OK', 'ERROR', 'UNSET'],
  'span.type': ['LLM', 'CHAT_MODEL', 'CHAIN', 'AGENT', 'TOOL', 'RETRIEVER', 'EMBEDDING', 'RERANKER', 'PARSER'],
};
const ALIASES: Readonly<Record<string, string>> = {
  trace: 'attributes',
  attribute: 'attributes',
  attr: 'attributes',
  tag: 'tags',
  request_metadata: 'metadata',
};

/** The language that traces are searched in, with the keys and values that the loaded ones have. */
export function traceLanguage(traces: readonly Known[]): FilterLanguage {
  const tags = new Set(traces.flatMap((trace) => Object.keys(trace.tags).filter((key) => !key.startsWith('mlflow.'))));
  const said = new Set(traces.flatMap(({ assessments }) => assessments.map(({ kind, name }) => fieldText(kind, name))));
  return {
    fields: [
      ...ATTRIBUTES.slice(0, 2),
      ...SPAN.map((key) => `span.${key}`),
      ...[...tags].sort().map((key) => fieldText('tags', key)),
      ...[...said].filter((field) => !field.startsWith('issue')).sort(),
      'text',
      ...ATTRIBUTES.slice(2),
    ],
    canonical: (text) => canonicalField(text, { bare: 'attributes', aliases: ALIASES }),
    operatorsOf,
    valuesOf: (field) => VALUES[field] ?? valuesOf(traces, field),
  };
}

function operatorsOf(field: string): readonly string[] {
  if (NUMBERS.has(field)) return NUMBER_OPERATORS;
  if (field === 'attributes.text' || field === 'span.content') return PATTERNS;
  if (/^(feedback|expectation)\./.test(field)) return [...NUMBER_OPERATORS, ...PATTERNS, 'RLIKE', ...PRESENCE];
  return [...TEXT_OPERATORS, 'RLIKE', ...(/^(tags|metadata|span\.attributes)\./.test(field) ? PRESENCE : [])];
}

function valuesOf(traces: readonly Known[], field: string): readonly string[] {
  const dot = field.indexOf('.');
  const [entity, key] = [field.slice(0, dot), field.slice(dot + 1)];
  const values = traces.flatMap((trace): readonly string[] => {
    if (field === 'attributes.name') return trace.name === null ? [] : [trace.name];
    if (entity === 'tags') return Object.hasOwn(trace.tags, key) ? [trace.tags[key] ?? ''] : [];
    const said = trace.assessments.filter(({ kind, name }) => kind === entity && name === key);
    return said.map((one) => (typeof one.value === 'boolean' ? String(one.value) : saidBy(one)));
  });
  return [...new Set(values)].sort();
}
