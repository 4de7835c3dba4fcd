export {
  type Comparison,
  closedEntity,
  type Entity,
  type Field,
  type FieldRules,
  type Filter,
  type Operator,
  type Order,
  openEntity,
  type Vocabulary,
} from './ast.ts';
export { searchErrors } from './errors.ts';
export { parseFilter, parseOrder } from './parse.ts';
export { printFilter } from './print.ts';
export { EXPERIMENT_VOCABULARY, LOGGED_MODEL_VOCABULARY, RUN_VOCABULARY } from './vocabularies.ts';
