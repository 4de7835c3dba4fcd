import type { ForeignProtocol, ForeignReply } from '#platform/http';
import { mlflowCodeOf } from './errors.ts';

/**
 * MLflow's REST protocol. Several domains serve parts of it, so this one value stands for it everywhere. Every path is
 * there twice: as clients have it (`/api`) and as MLflow's own pages have it (`/ajax-api`).
 */
export const mlflowProtocol: ForeignProtocol = {
  name: 'mlflow',
  prefixes: [
    '/api/2.0/mlflow',
    '/api/3.0/mlflow',
    '/ajax-api/2.0/mlflow',
    '/ajax-api/3.0/mlflow',
    '/api/2.0/mlflow-artifacts',
    '/ajax-api/2.0/mlflow-artifacts',
  ],
  answerError(error) {
    const { code, status } = mlflowCodeOf(error);
    return { ...jsonReply({ error_code: code, message: error.message }), status };
  },
};

/** A JSON answer. Properties that are undefined are left out, as MLflow leaves out fields that are not set. */
export function jsonReply(value: object): ForeignReply {
  return { headers: { 'content-type': 'application/json' }, body: JSON.stringify(value) };
}
