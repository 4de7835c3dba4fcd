export {
  Columnar,
  type ColumnarOptions,
  type ColumnarSession,
  columnarErrors,
  identifier,
  quoted,
} from './columnar.ts';
export {
  type ColumnData,
  type ColumnTable,
  floatsOf,
  numbersOf,
  selectRows,
  selectValues,
  textOf,
} from './table.ts';
