/** The steps of the training pipelines. Each is an ordinary function of what the step declares. */
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

const DAY = 86_400_000;

/** What a request brings with it, by the name of the model's input. */
const SCHEDULE = {
  hour: 'hour(date)::float',
  minute: 'minute(date)::float',
  weekday: 'dayofweek(date)::float',
  distance: 'distance::float',
};
const AIRPORTS = { origin: 'origin', destination: 'destination' };

export function features(ctx: StepContext) {
  const until = Number(ctx.params['until']);
  const views = Object.keys(ctx.inputs).filter((name) => name !== 'flights');
  return trainingSet(ctx, {
    dataset: 'flights',
    views,
    from: until - Number(ctx.params['days']) * DAY,
    to: until,
    sampleRows: Number(ctx.params['rows']),
    label: 'late',
    columns: views.length > 0 ? SCHEDULE : { ...SCHEDULE, ...AIRPORTS },
  });
}

export function leakCheck(ctx: StepContext) {
  return requireNoLeaks(ctx, { waive: ctx.params['waive'] === true });
}

export function tune(ctx: StepContext) {
  return tuneGbdt(ctx, { base: { learningRate: 0.1, leaves: 31 } });
}

export function train(ctx: StepContext) {
  return fitGbdt(ctx, { trees: Number(ctx.params['trees']) });
}

export function explain(ctx: StepContext) {
  return explainGbdt(ctx);
}

export function profile(ctx: StepContext) {
  // As many rows as a day of scoring brings: the PSI of a small window is large by chance alone.
  return profileGbdt(ctx, { windowRows: 400 });
}

export function register(ctx: StepContext) {
  return registerModel(ctx, { model: 'late-arrivals', description: String(ctx.params['description']) });
}
