import { z } from 'zod';
import { contract, route } from '#platform/contract';
import { digestSchema } from '#tracking/contract';
import { aliasName, modelNameSchema, TAG_CHARS_MAX, tagKey, text, versionNumber } from '../shapes.ts';

const byModel = z.object({ model: modelNameSchema });
const timestamp = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const tags = z.record(tagKey, text(TAG_CHARS_MAX)).default({});
/** Who made it there, as the source says; nobody of that name need be known here. */
const author = text(256).default('');

const importedModel = z.strictObject({
  /** The address or the folder of the other server, for the audit log. */
  source: text(1_000).min(1),
  author,
  createdAt: timestamp,
  description: text(100_000).default(''),
  tags,
});
export type ImportedModel = z.output<typeof importedModel>;

const importedVersion = z.strictObject({
  version: versionNumber,
  author,
  createdAt: timestamp,
  updatedAt: timestamp,
  /** Where its files are on this server, as in registering from a source. */
  from: text(10_000).default(''),
  run: text(256).min(1).optional(),
  modelId: text(256).min(1).optional(),
  runLink: text(2_000).default(''),
  description: text(100_000).default(''),
  tags,
  stage: z.enum(['None', 'Staging', 'Production', 'Archived']).default('None'),
});
export type ImportedVersion = z.output<typeof importedVersion>;

const importState = z.object({
  /** `none` when it was never begun, `open` until it is finished the first time. */
  state: z.enum(['none', 'open', 'finished']),
  /** Of what the source said when it was last finished. */
  digest: digestSchema.nullable(),
});

export const importRoutes = contract({
  getModelImport: route({
    method: 'GET',
    path: '/api/v1/models/:model/import',
    summary: 'Tell how far the import of a registered model is',
    permission: 'registry:import',
    params: byModel,
    reply: importState,
    errors: [],
  }),
  importModel: route({
    method: 'POST',
    path: '/api/v1/models/:model/import',
    summary: 'Begin to bring in a registered model of another server. One that was imported before is gone on with',
    permission: 'registry:import',
    params: byModel,
    body: importedModel,
    bodyBytesMax: 16 * 1024 * 1024,
    reply: importState.extend({ made: z.boolean() }),
    errors: ['registry/model-exists', 'registry/limit'],
    audit: 'model.import',
  }),
  importVersion: route({
    method: 'POST',
    path: '/api/v1/models/:model/import/versions',
    summary: 'Bring in a version under its number with its times. Again, it changes nothing',
    permission: 'registry:import',
    params: byModel,
    body: importedVersion,
    bodyBytesMax: 16 * 1024 * 1024,
    reply: z.object({
      made: z.boolean(),
      /** What it did not get because the gate of this server is to be asked about it. */
      held: z.array(z.string()),
    }),
    errors: ['registry/not-imported', 'registry/version-exists', 'registry/limit'],
    audit: 'model-version.import',
  }),
  finishModelImport: route({
    method: 'POST',
    path: '/api/v1/models/:model/import/finish',
    summary: 'Give an imported model its aliases. Protected ones come along the first time only',
    permission: 'registry:import',
    params: byModel,
    body: z.strictObject({
      aliases: z.record(aliasName, versionNumber).default({}),
      updatedAt: timestamp,
      digest: digestSchema,
    }),
    reply: importState.extend({ held: z.array(z.string()) }),
    errors: ['registry/not-imported', 'registry/version-not-found', 'registry/limit'],
    audit: 'model.import-finish',
  }),
});
