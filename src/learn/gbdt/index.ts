/**
 * Histogram gradient boosting on tables: training with a WebAssembly SIMD kernel, and scoring. `#learn/onnx` exports a
 * model for any ONNX runtime, `#learn/explain` explains it.
 */

export { encodeTable } from './encode.ts';
export { errors as gbdtErrors } from './errors.ts';
export { type GbdtModelJson, gbdtFromJson, gbdtToJson } from './json.ts';
export { GBDT_LIMITS } from './limits.ts';
export { type Feature, type FeatureImportance, type GbdtModel, gainImportance, type Tree } from './model.ts';
export { DEFAULT_GBDT_PARAMS, type GbdtParams } from './params.ts';
export { predictGbdt, rawScores } from './predict.ts';
export type { CategoryColumn, Column, NumericColumn, Table } from './table.ts';
export { type GbdtInput, trainGbdt } from './train.ts';
