/** Explanations of models: Shapley values of tree ensembles, and permutation importance of any scorer. */
export { errors as explainErrors } from './errors.ts';
export {
  PERMUTATION_LIMITS,
  type PermutationImportance,
  type PermutationInput,
  permutationImportance,
} from './permutation.ts';
export { type ShapValues, treeShap } from './tree-shap.ts';
