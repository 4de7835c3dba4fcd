import type { Entity, FieldRules, Operator, Vocabulary } from '../search/index.ts';

const NUMBER: readonly Operator[] = ['=', '!=', '>', '>=', '<', '<='];
const TEXT: readonly Operator[] = ['=', '!=', 'LIKE', 'ILIKE', 'RLIKE', 'IN', 'NOT IN'];
const WHETHER: readonly Operator[] = ['IS NULL', 'IS NOT NULL'];
const PATTERN: readonly Operator[] = ['LIKE', 'ILIKE'];

type Rules = Omit<FieldRules, 'key'>;

const number: Rules = { type: 'number', operators: NUMBER, orders: true };
const optionalNumber: Rules = { ...number, operators: [...NUMBER, ...WHETHER] };
const text: Rules = { type: 'text', operators: TEXT, orders: true };
const optionalText: Rules = { ...text, operators: [...TEXT, ...WHETHER] };
const unordered = (rules: Rules): Rules => ({ ...rules, orders: false });

const ATTRIBUTES: Readonly<Record<string, Rules>> = {
  trace_id: text,
  timestamp_ms: number,
  execution_time_ms: optionalNumber,
  end_time_ms: number,
  status: text,
  name: optionalText,
  run_id: optionalText,
  client_request_id: optionalText,
  experiment_id: text,
  prompt: { type: 'text', operators: ['='], orders: false },
  text: { type: 'text', operators: PATTERN, orders: false },
};

const ATTRIBUTE_ALIASES: Readonly<Record<string, string>> = {
  request_id: 'trace_id',
  timestamp: 'timestamp_ms',
  request_time: 'timestamp_ms',
  execution_time: 'execution_time_ms',
  execution_duration: 'execution_time_ms',
  end_time: 'end_time_ms',
  state: 'status',
};

const SPAN: Readonly<Record<string, Rules>> = {
  name: unordered(text),
  type: unordered(text),
  status: unordered(text),
  content: { type: 'text', operators: PATTERN, orders: false },
};

/** An entity of fixed keys. */
function closed(
  name: string,
  keys: Readonly<Record<string, Rules>>,
  aliases: Readonly<Record<string, string>> = {},
): Entity {
  return {
    name,
    keys: Object.keys(keys),
    rules(asked) {
      const key = Object.hasOwn(aliases, asked) ? (aliases[asked] ?? asked) : asked;
      const rules = Object.hasOwn(keys, key) ? keys[key] : undefined;
      return rules && { key, ...rules };
    },
  };
}

/** An entity whose keys are made up by whoever sends traces. */
function open(name: string, rules: Rules): Entity {
  return { name, rules: (key) => ({ key, ...rules }) };
}

const ATTRIBUTE_OF_SPAN = 'attributes.';
const span: Entity = {
  ...closed('span', SPAN),
  keys: [...Object.keys(SPAN), `${ATTRIBUTE_OF_SPAN}<name>`],
  rules(asked) {
    if (asked.startsWith(ATTRIBUTE_OF_SPAN) && asked.length > ATTRIBUTE_OF_SPAN.length) {
      return { key: asked, ...unordered(optionalText) };
    }
    return closed('span', SPAN).rules(asked);
  },
};

/** The name of the attribute in the key of a comparison of spans, if it is one of an attribute. */
export function spanAttribute(key: string): string | undefined {
  return key.startsWith(ATTRIBUTE_OF_SPAN) ? key.slice(ATTRIBUTE_OF_SPAN.length) : undefined;
}

const attributes = closed('attributes', ATTRIBUTES, ATTRIBUTE_ALIASES);
const tags = open('tags', optionalText);
const metadata = open('metadata', optionalText);
const said: Rules = { type: 'any', operators: [...NUMBER, 'LIKE', 'ILIKE', 'RLIKE', ...WHETHER], orders: false };

/** What traces are searched by. Comparisons of `span` that are joined by AND are of one and the same span. */
export const TRACE_VOCABULARY: Vocabulary = {
  bare: 'attributes',
  entities: {
    attribute: attributes,
    attributes,
    attr: attributes,
    trace: attributes,
    tag: tags,
    tags,
    metadata,
    request_metadata: metadata,
    span,
    feedback: open('feedback', said),
    expectation: open('expectation', said),
    issue: closed('issue', { id: { type: 'text', operators: ['='], orders: false } }),
  },
};
