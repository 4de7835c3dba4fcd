import { defineErrors, type KedgeError } from '#core/errors';

/**
 * The failures of the MLflow protocol by the names that its clients know. The statuses are MLflow's, save that what the
 * caller got wrong is never 5xx: a client repeats a request that was answered so for minutes.
 */
export const mlflowErrors = defineErrors('mlflow', {
  INVALID_PARAMETER_VALUE: { status: 400, title: 'A parameter has a value that is not accepted' },
  BAD_REQUEST: { status: 400, title: 'The request cannot be read' },
  RESOURCE_ALREADY_EXISTS: { status: 400, title: 'There is one of this name already' },
  INVALID_STATE: { status: 400, title: 'The state of the entity does not allow it' },
  UNAUTHENTICATED: { status: 401, title: 'Nobody known sends this' },
  PERMISSION_DENIED: { status: 403, title: 'The caller may not do this' },
  RESOURCE_DOES_NOT_EXIST: { status: 404, title: 'There is no such entity' },
  ENDPOINT_NOT_FOUND: { status: 404, title: 'There is no such endpoint' },
  RESOURCE_CONFLICT: { status: 409, title: 'It conflicts with what is there' },
  REQUEST_LIMIT_EXCEEDED: { status: 429, title: 'Too many requests' },
  RESOURCE_EXHAUSTED: { status: 429, title: 'A quota is used up' },
  INTERNAL_ERROR: { status: 500, title: 'The server failed' },
  NOT_IMPLEMENTED: { status: 501, title: 'The server does not offer this' },
  TEMPORARILY_UNAVAILABLE: { status: 503, title: 'The server cannot answer now' },
});
export type MlflowCode = keyof typeof mlflowErrors;

/** MLflow's code for a failure that a route did not name itself, by its status. */
const CODE_OF_STATUS: Readonly<Record<number, MlflowCode>> = {
  400: 'INVALID_PARAMETER_VALUE',
  401: 'UNAUTHENTICATED',
  403: 'PERMISSION_DENIED',
  404: 'RESOURCE_DOES_NOT_EXIST',
  408: 'BAD_REQUEST',
  409: 'RESOURCE_CONFLICT',
  412: 'RESOURCE_CONFLICT',
  413: 'INVALID_PARAMETER_VALUE',
  415: 'BAD_REQUEST',
  416: 'INVALID_PARAMETER_VALUE',
  429: 'REQUEST_LIMIT_EXCEEDED',
  501: 'NOT_IMPLEMENTED',
  503: 'TEMPORARILY_UNAVAILABLE',
};

/**
 * Failures of the platform that MLflow calls something else than their status says, and the status it expects then. A
 * domain whose failure is not here is answered by its status.
 */
const CODE_OF_ERROR: Readonly<Record<string, MlflowCode>> = {
  'http/not-found': 'ENDPOINT_NOT_FOUND',
  'http/invalid-input': 'BAD_REQUEST',
  'tracking/experiment-exists': 'RESOURCE_ALREADY_EXISTS',
  'tracking/run-exists': 'RESOURCE_ALREADY_EXISTS',
  'tracking/experiment-deleted': 'INVALID_STATE',
  'tracking/run-deleted': 'INVALID_PARAMETER_VALUE',
  'tracking/run-over': 'INVALID_PARAMETER_VALUE',
  'tracking/param-changed': 'INVALID_PARAMETER_VALUE',
  'tracking/limit': 'INVALID_PARAMETER_VALUE',
  'tracking/trace-deleted': 'INVALID_STATE',
  'accounts/project-exists': 'RESOURCE_ALREADY_EXISTS',
  'registry/model-exists': 'RESOURCE_ALREADY_EXISTS',
  'registry/invalid': 'INVALID_PARAMETER_VALUE',
  'registry/limit': 'INVALID_PARAMETER_VALUE',
};

/** What MLflow calls a failure, and the status that goes with it. */
export function mlflowCodeOf(error: KedgeError): { readonly code: MlflowCode; readonly status: number } {
  const own = error.code.startsWith('mlflow/') ? error.code.slice('mlflow/'.length) : undefined;
  if (own !== undefined && Object.hasOwn(mlflowErrors, own)) return { code: own as MlflowCode, status: error.status };
  const renamed = Object.hasOwn(CODE_OF_ERROR, error.code) ? CODE_OF_ERROR[error.code] : undefined;
  if (renamed !== undefined) return { code: renamed, status: mlflowErrors[renamed].status };
  return { code: CODE_OF_STATUS[error.status] ?? 'INTERNAL_ERROR', status: error.status };
}
