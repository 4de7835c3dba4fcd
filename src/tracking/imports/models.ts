import type { Tx } from '#platform/db';
import { trackingErrors } from '../errors.ts';
import { MODEL_KEYS_MAX } from '../services/models.ts';
import { insertModelMetrics, modelKeyed, putModelKeyed } from '../store/models.ts';
import type { ImportedBatch } from './contract.ts';

/** Adds to a logged model what it has at its source. A metric of one belongs to the run that measured it. */
export async function addToModel(tx: Tx, id: string, { params, tags, metrics }: ImportedBatch): Promise<void> {
  const known = (await modelKeyed(tx.db, 'tracking_model_param', [id])).get(id) ?? new Map<string, string>();
  const changed = Object.entries(params).find(([key, value]) => known.has(key) && known.get(key) !== value);
  if (changed) throw trackingErrors['param-changed'](`param '${changed[0]}' of logged model '${id}' has another value`);
  await putModelKeyed(tx.db, 'tracking_model_param', { model: id, values: params });
  await putModelKeyed(tx.db, 'tracking_model_tag', { model: id, values: tags });
  for (const table of ['tracking_model_param', 'tracking_model_tag'] as const) {
    if (((await modelKeyed(tx.db, table, [id])).get(id)?.size ?? 0) <= MODEL_KEYS_MAX) continue;
    throw trackingErrors.limit(`logged model '${id}' would have more than ${MODEL_KEYS_MAX} params or tags`);
  }
  const measured = metrics.map(({ run = '', ...metric }) => ({ ...metric, model: id, run }));
  await insertModelMetrics(tx.db, measured);
  const keys = { params: Object.keys(params), tags: Object.keys(tags) };
  tx.audit(`logged-model/${id}`, { ...keys, metrics: metrics.length });
}
