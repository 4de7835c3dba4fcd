import assert from 'node:assert/strict';
import { test } from 'node:test';
import { containerEnvironment } from './container.ts';

test("Vertex AI's and SageMaker's environments say where a container listens", () => {
  assert.deepEqual(containerEnvironment({}), {});
  assert.deepEqual(containerEnvironment({ SAGEMAKER_BIND_TO_PORT: '8081' }), { port: 8081 });
  assert.deepEqual(
    containerEnvironment({ AIP_HTTP_PORT: '8080', AIP_PREDICT_ROUTE: '/v1/x:predict', AIP_HEALTH_ROUTE: '/v1/x' }),
    { port: 8080, predictRoute: '/v1/x:predict', healthRoute: '/v1/x' },
  );
});

test('what cannot be followed is told with the variable', () => {
  for (const [name, value] of [
    ['AIP_HTTP_PORT', '80a'],
    ['AIP_HTTP_PORT', '70000'],
    ['SAGEMAKER_BIND_TO_PORT', ''],
    ['AIP_PREDICT_ROUTE', 'predict'],
    ['AIP_HEALTH_ROUTE', ''],
  ] as const) {
    assert.throws(() => containerEnvironment({ [name]: value }), {
      code: 'container/invalid',
      message: new RegExp(name),
    });
  }
});
