export { type Condition, comparisonOf, compileFilter } from './compile.ts';
export { afterRow, type KeyKind, type KeyValue, keyValuesOf, type OrderTerm, orderOf, pageToken } from './page.ts';
