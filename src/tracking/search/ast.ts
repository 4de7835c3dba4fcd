/** A filter, as parsed. Every legal filter of MLflow's is one; OR, NOT and parentheses go beyond it. */
export type Filter =
  | Comparison
  | { readonly kind: 'and' | 'or'; readonly of: readonly Filter[] }
  | { readonly kind: 'not'; readonly of: Filter };

export interface Comparison {
  readonly kind: 'compare';
  readonly field: Field;
  readonly operator: Operator;
  /** A list for IN and NOT IN, null for IS NULL and IS NOT NULL. */
  readonly value: string | number | readonly (string | number)[] | null;
}

/** What is compared, by its canonical names: `{ entity: 'params', key: 'lr' }`. */
export interface Field {
  readonly entity: string;
  readonly key: string;
}

export type Operator = '=' | '!=' | '>' | '>=' | '<' | '<=' | TextOperator | 'IS NULL' | 'IS NOT NULL';
type TextOperator = 'LIKE' | 'ILIKE' | 'RLIKE' | 'IN' | 'NOT IN';

/** One key of an order: `metrics.loss DESC`. */
export interface Order {
  readonly field: Field;
  readonly descending: boolean;
}

/** What may be compared in one kind of search, and how. */
export interface Vocabulary {
  /** By each name that an entity goes by: `param`, `params`, `parameter`… */
  readonly entities: Readonly<Record<string, Entity>>;
  /** The name of the entity that a key without one belongs to. */
  readonly bare: string;
}

export interface Entity {
  /** Its canonical name. */
  readonly name: string;
  /** The rules of a key, or `undefined` for one that there is not. */
  rules(key: string): FieldRules | undefined;
  /** The keys there are, for the message that refuses another. */
  readonly keys?: readonly string[];
}

export interface FieldRules {
  /** The canonical key, where it has other names too. */
  readonly key: string;
  /** `any` is compared with numbers and with texts; only numbers are larger or smaller than it. */
  readonly type: 'number' | 'text' | 'any';
  readonly operators: readonly Operator[];
  /** Whether results can be ordered by it. */
  readonly orders: boolean;
}

const NUMBER_OPERATORS: readonly Operator[] = ['=', '!=', '>', '>=', '<', '<='];
const TEXT_OPERATORS: readonly Operator[] = ['=', '!=', 'LIKE', 'ILIKE', 'IN', 'NOT IN'];

export interface EntityOptions {
  readonly name: string;
  readonly type: 'number' | 'text';
  /** Whether a key may be absent, so that it can be asked for with IS NULL. */
  readonly optional?: boolean;
  readonly orders?: boolean;
}

/** An entity whose keys users make up, such as params. */
export function openEntity({ name, type, optional = true, orders = true }: EntityOptions): Entity {
  const compared = type === 'number' ? NUMBER_OPERATORS : TEXT_OPERATORS;
  const operators: readonly Operator[] = optional ? [...compared, 'IS NULL', 'IS NOT NULL'] : compared;
  return { name, rules: (key) => ({ key, type, operators, orders }) };
}

/** An entity of fixed keys, each a number or a text; `aliases` are other names for some of them. */
export function closedEntity(
  name: string,
  types: Readonly<Record<string, 'number' | 'text'>>,
  options: { readonly aliases?: Readonly<Record<string, string>>; readonly orders?: readonly string[] } = {},
): Entity {
  const { aliases = {}, orders = Object.keys(types) } = options;
  return {
    name,
    keys: Object.keys(types),
    rules(asked) {
      const key = Object.hasOwn(aliases, asked) ? (aliases[asked] ?? asked) : asked;
      const type = Object.hasOwn(types, key) ? types[key] : undefined;
      if (type === undefined) return undefined;
      const operators = type === 'number' ? NUMBER_OPERATORS : TEXT_OPERATORS;
      return { key, type, operators, orders: orders.includes(key) };
    },
  };
}
