import type { GbdtParams } from './params.ts';

/**
 * One binary tree in parallel arrays, node 0 the root and children after their parents. A row goes left when its value
 * is <= the threshold, or when the value is missing and `missingLeft` is 1. A leaf has `feature` -1.
 */
export interface Tree {
  /** Index into the model's features, or -1 for a leaf. */
  readonly feature: Int32Array;
  /** float32-representable, so that every runtime compares the same numbers. */
  readonly threshold: Float64Array;
  readonly missingLeft: Uint8Array;
  readonly left: Int32Array;
  readonly right: Int32Array;
  /** Leaves: what is added to the raw score (learning rate included), float32-representable. Elsewhere 0. */
  readonly value: Float64Array;
  /** Training rows that reached the node. */
  readonly cover: Float64Array;
  /** Reduction of the loss by the split; 0 for a leaf. */
  readonly gain: Float64Array;
}

/** A column as the model knows it. */
export type Feature =
  | { readonly name: string; readonly kind: 'numeric' }
  /** `ranked[k]` is the category with ordinal k, which is what thresholds compare. */
  | { readonly name: string; readonly kind: 'category'; readonly ranked: readonly string[] };

/**
 * An additive tree model. Raw score of a row = `baseScore` + the values of the leaves it reaches. For `binary` the
 * probability of label 1 is 1 / (1 + exp(-raw)); for `regression` the raw score is the prediction.
 */
export interface GbdtModel {
  readonly objective: GbdtParams['objective'];
  readonly baseScore: number;
  readonly features: readonly Feature[];
  readonly trees: readonly Tree[];
}

/** What a feature contributed in training: the total gain of its splits, and how many there are. */
export interface FeatureImportance {
  readonly name: string;
  readonly gain: number;
  readonly splits: number;
}

/** Gain importance of every feature, in feature order. */
export function gainImportance(model: GbdtModel): FeatureImportance[] {
  const gains = new Float64Array(model.features.length);
  const splits = new Float64Array(model.features.length);
  for (const tree of model.trees) {
    for (let node = 0; node < tree.feature.length; node++) {
      const feature = tree.feature[node]!;
      if (feature < 0) continue;
      gains[feature]! += tree.gain[node]!;
      splits[feature]!++;
    }
  }
  return model.features.map(({ name }, index) => ({ name, gain: gains[index]!, splits: splits[index]! }));
}
