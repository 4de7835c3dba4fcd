import assert from 'node:assert/strict';
import { test } from 'node:test';
import { placeOfMlflowLink } from './follow-mlflow-link.ts';

test("links of MLflow's clients lead to the same things here", () => {
  for (const [path, place] of [
    ['/experiments/6/evaluation-runs?selectedRunUuid=9bcf', '/experiments/6/runs/9bcf'],
    ['/experiments/6/evaluation-runs', '/experiments/6'],
    ['/experiments/6/traces?selectedEvaluationId=tr-1&x=y', '/experiments/6/traces/tr-1'],
    ['/experiments/6/traces', '/experiments/6?tab=traces'],
    ['/experiments/6/runs/9bcf', '/experiments/6/runs/9bcf'],
    ['/models/churn/versions/3', '/models/churn/versions/3'],
  ] as const) {
    assert.equal(placeOfMlflowLink(path), place);
  }
});
