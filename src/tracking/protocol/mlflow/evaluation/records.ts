import type { ForeignRoute } from '#platform/http';
import type { EvaluationDatasetService } from '../../../evaluation/datasets.ts';
import { EVALUATION_LIMITS } from '../../../evaluation/model.ts';
import { maxResults, pageTokenField } from '../fields.ts';
import { mlflowRoute } from '../route.ts';
import { wire } from '../wire.ts';
import { byDataset } from './datasets.ts';
import { datasetRecords } from './json-fields.ts';
import { sentRecord } from './views.ts';

const BODY_BYTES_MAX = 16_777_216;

/** The records of evaluation data sets. */
export function evaluationRecordRoutes(service: EvaluationDatasetService): ForeignRoute[] {
  const path = 'datasets/:dataset_id/records' as const;
  return [
    mlflowRoute({
      name: 'evaluation-records.upsert',
      major: 3,
      method: 'POST',
      path,
      permission: 'tracking:write',
      audit: 'evaluation-dataset.upsert-records',
      bodyBytesMax: BODY_BYTES_MAX,
      input: { ...byDataset(), records: wire.string(BODY_BYTES_MAX) },
      async handler(input, ctx) {
        const { inserted, updated } = await service.upsert(ctx, input.dataset_id, datasetRecords(input.records));
        return { inserted_count: inserted, updated_count: updated };
      },
    }),
    mlflowRoute({
      name: 'evaluation-records.get',
      major: 3,
      method: 'GET',
      path,
      permission: 'tracking:read',
      reads: true,
      input: { ...byDataset(), max_results: maxResults(1_000, 10_000), page_token: pageTokenField() },
      async handler(input, ctx) {
        const { items, next } = await service.records(ctx, input.dataset_id, {
          limit: input.max_results,
          token: input.page_token || undefined,
        });
        return { records: JSON.stringify(items.map(sentRecord)), next_page_token: next };
      },
    }),
    mlflowRoute({
      name: 'evaluation-records.delete',
      major: 3,
      method: 'DELETE',
      path,
      permission: 'tracking:write',
      audit: 'evaluation-dataset.delete-records',
      input: {
        ...byDataset(),
        dataset_record_ids: wire.list(wire.required(256), EVALUATION_LIMITS.recordsInRequest).default([]),
      },
      async handler(input, ctx) {
        return { deleted_count: await service.deleteRecords(ctx, input.dataset_id, input.dataset_record_ids) };
      },
    }),
  ];
}
