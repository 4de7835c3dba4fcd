import { defineErrors } from '#core/errors';

/** What the environment of a managed container asks of the server in it. */
export interface ContainerEnvironment {
  readonly port?: number;
  readonly predictRoute?: string;
  readonly healthRoute?: string;
}

const containerErrors = defineErrors('container', {
  invalid: { status: 400, title: 'The environment of the container cannot be followed' },
});

/**
 * Vertex AI's contract (AIP_HTTP_PORT, AIP_PREDICT_ROUTE and AIP_HEALTH_ROUTE), and SageMaker's
 * (SAGEMAKER_BIND_TO_PORT).
 * Errors: `container/invalid`.
 */
export function containerEnvironment(environment: NodeJS.ProcessEnv = process.env): ContainerEnvironment {
  const port = environment['AIP_HTTP_PORT'] ?? environment['SAGEMAKER_BIND_TO_PORT'];
  const { AIP_PREDICT_ROUTE: predictRoute, AIP_HEALTH_ROUTE: healthRoute } = environment;
  if (port !== undefined && !(/^\d{1,5}$/.test(port) && Number(port) <= 65_535)) {
    throw containerErrors.invalid(`expected a TCP port in AIP_HTTP_PORT or SAGEMAKER_BIND_TO_PORT, found '${port}'`);
  }
  for (const route of [predictRoute, healthRoute]) {
    if (route === undefined || route.startsWith('/')) continue;
    throw containerErrors.invalid(`expected a path in AIP_PREDICT_ROUTE and AIP_HEALTH_ROUTE, found '${route}'`);
  }
  return {
    ...(port === undefined ? {} : { port: Number(port) }),
    ...(predictRoute === undefined ? {} : { predictRoute }),
    ...(healthRoute === undefined ? {} : { healthRoute }),
  };
}
