import { defineErrors } from '#core/errors';

export const monitoringErrors = defineErrors('monitoring', {
  'packed-predictions': { status: 422, title: 'These are no packed predictions' },
  'wall-clock': { status: 409, title: 'The watermark of this endpoint follows the wall clock' },
  'monitor-fixed': { status: 409, title: 'The endpoint and the window of a monitor cannot change' },
  'no-monitor': { status: 404, title: 'The endpoint has no such monitor' },
  'no-figure': { status: 404, title: 'There is no such figure' },
  'prediction-not-found': { status: 404, title: 'No such prediction' },
  'nothing-to-audit': { status: 409, title: 'No recorded prediction can be compared' },
  'range-too-large': { status: 400, title: 'The range holds more than one reply can' },
});
