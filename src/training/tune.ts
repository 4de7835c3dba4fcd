import { assert } from '#core/assert';
import type { Random } from '#core/random';
import { type GbdtModel, type GbdtParams, predictGbdt, type Table, trainGbdt } from '#learn/gbdt';
import { logLoss } from '#math/metric/binary';

export interface Trial {
  readonly params: Partial<GbdtParams>;
  /** Log loss on the validation rows; lower is better. */
  readonly loss: number;
  readonly trees: number;
}

/**
 * Random search (Bergstra and Bengio, "Random Search for Hyper-Parameter Optimization", 2012) around the given
 * parameters. The given ones are the first trial, so the result is never worse than they are on the validation rows.
 * `model` is that of the best trial.
 */
export function tune(input: {
  readonly train: { readonly table: Table; readonly label: Float32Array };
  readonly valid: { readonly table: Table; readonly label: Float32Array };
  readonly base: Partial<GbdtParams>;
  readonly trials: number;
  readonly random: Random;
  readonly onTrial?: (done: number, trial: Trial) => void;
}): { readonly best: Trial; readonly model: GbdtModel; readonly trials: readonly Trial[] } {
  const { train, valid, base, random } = input;
  assert(input.trials >= 1, `at least one trial, got ${input.trials}`);
  const trials: Trial[] = [];
  let best: { readonly trial: Trial; readonly model: GbdtModel } | undefined;
  for (let i = 0; i < input.trials; i++) {
    const params = i === 0 ? base : { ...base, ...draw(random) };
    const model = trainGbdt({
      train: train.table,
      label: train.label,
      valid,
      params: { ...params, earlyStoppingRounds: 10 },
    });
    const loss = logLoss(predictGbdt(model, valid.table), valid.label) ?? Number.POSITIVE_INFINITY;
    const trial = { params, loss, trees: model.trees.length };
    trials.push(trial);
    if (best === undefined || loss < best.trial.loss) best = { trial, model };
    input.onTrial?.(i + 1, trial);
  }
  assert(best, 'the first trial is the best so far');
  return { best: best.trial, model: best.model, trials };
}

function draw(random: Random): Partial<GbdtParams> {
  const pick = <T>(values: readonly T[]): T => values[random.int(values.length)] as T;
  return {
    leaves: pick([15, 31, 63]),
    learningRate: pick([0.05, 0.1, 0.15]),
    minLeafRows: pick([20, 100, 400]),
    l2: pick([0, 1, 10]),
    featureFraction: pick([0.7, 1]),
  };
}
