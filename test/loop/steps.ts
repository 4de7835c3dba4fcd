/** The steps of the pipelines that the loop's tests run, as a project would write them. */
import {
  explainGbdt,
  fitGbdt,
  profileGbdt,
  registerModel,
  requireNoLeaks,
  type StepContext,
  trainingSet,
  tuneGbdt,
} from 'kedge/steps';

const HOUR_MS = 3_600_000;

export function features(ctx: StepContext) {
  const until = Number(ctx.params['until']);
  return trainingSet(ctx, {
    dataset: 'rides',
    views: Object.keys(ctx.inputs).filter((name) => name !== 'rides'),
    from: until - Number(ctx.params['hours']) * HOUR_MS,
    to: until,
    label: 'late',
    columns: { x: 'x' },
  });
}

export function leakCheck(ctx: StepContext) {
  return requireNoLeaks(ctx, { waive: ctx.params['waive'] === true });
}

export function tune(ctx: StepContext) {
  return tuneGbdt(ctx, { trials: 1, base: { trees: 40, learningRate: 0.2, leaves: 8, minLeafRows: 20 } });
}

export function train(ctx: StepContext) {
  return fitGbdt(ctx, { trees: 25 });
}

export function explain(ctx: StepContext) {
  return explainGbdt(ctx);
}

export function profile(ctx: StepContext) {
  return profileGbdt(ctx, { windowMs: HOUR_MS, windowRows: 100 });
}

export function register(ctx: StepContext) {
  return registerModel(ctx, { model: 'lateness' });
}
