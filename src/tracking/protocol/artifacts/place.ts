import type { ForeignRequest } from '#platform/http';
import { type ArtifactPlace, artifactPlace } from '../../artifacts/index.ts';
import { trackingErrors } from '../../errors.ts';

/**
 * The path at the end of an address. What is encoded there may not turn into another path: clients send `/` and `.`
 * as they are, so whoever encodes them, or a backslash or NUL, hides a path from somebody.
 */
export function placeInUrl({ url, params }: Pick<ForeignRequest, 'url' | 'params'>, below = ''): ArtifactPlace {
  const sent = url.split('?')[0] ?? '';
  if (/%(2e|2f|5c|00)/i.test(sent) || sent.split('/').some((name) => name === '..' || name === '.')) {
    throw trackingErrors.invalid(`Invalid path: '${sent.slice(0, 200)}'`);
  }
  const path = (params['*'] ?? '').replace(/\/$/, '');
  return artifactPlace(below === '' ? path : `${path}/${below}`);
}

/** The paths of one resource of MLflow's artifact proxy. */
export function proxyPaths(path: string): readonly `/${string}`[] {
  return [`/api/2.0/mlflow-artifacts/${path}`, `/ajax-api/2.0/mlflow-artifacts/${path}`];
}
