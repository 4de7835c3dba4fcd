import type { ForeignRoute } from '#platform/http';
import { jsonReply } from './protocol.ts';

/** The newest MLflow whose protocol is spoken here. Clients ask for it before they use what older servers lack. */
export const MLFLOW_VERSION = '3.17.2';

/** What clients ask before they use what only some servers offer. It is told to anybody, and tells of nobody. */
const SERVER_INFO = {
  store_type: 'SqlStore',
  workspaces_enabled: true,
  trace_archival_enabled: false,
  features_enabled: { gateway: false },
};

/** What clients and load balancers ask a server before anything else. */
export function serverRoutes(): ForeignRoute[] {
  const text = (name: string, path: `/${string}`, body: string): ForeignRoute => ({
    name: `mlflow.${name}`,
    method: 'GET',
    paths: [path],
    permission: 'public',
    reads: true,
    handler: async () => ({ headers: { 'content-type': 'text/plain; charset=utf-8' }, body }),
  });
  return [
    text('health', '/health', 'OK'),
    text('version', '/version', MLFLOW_VERSION),
    {
      name: 'mlflow.server-info',
      method: 'GET',
      paths: ['/api/3.0/mlflow/server-info', '/ajax-api/3.0/mlflow/server-info'],
      permission: 'public',
      reads: true,
      handler: async () => jsonReply(SERVER_INFO),
    },
  ];
}
