import { z } from 'zod';
import { contract, nameSchema, route } from '#platform/contract';

const kindSchema = z.string().min(1).max(40);

export const resourceDraft = z.object({
  kind: kindSchema,
  name: nameSchema,
  spec: z.record(z.string(), z.unknown()),
});

/** What a user declares, before the platform has seen it. */
export type ResourceDraft = z.output<typeof resourceDraft>;

export const resourceView = resourceDraft.extend({
  generation: z.number().int(),
  status: z.record(z.string(), z.unknown()),
  createdAt: z.number(),
  updatedAt: z.number(),
});

export type ResourceView = z.output<typeof resourceView>;

const changeSchema = z.object({
  kind: kindSchema,
  name: nameSchema,
  change: z.enum(['create', 'change', 'none', 'delete']),
  /** Paths of the spec that differ. */
  fields: z.array(z.string()),
});

export type ResourceChange = z.output<typeof changeSchema>;

const byName = z.object({ kind: kindSchema, name: nameSchema });

export const resourcesContract = contract({
  applyResources: route({
    method: 'PUT',
    path: '/api/v1/resources',
    summary: 'Declare resources: plan with dryRun, apply without. All of them are applied, or none',
    permission: 'resources:write',
    body: z.object({
      resources: z.array(resourceDraft).min(1).max(1_000),
      dryRun: z.boolean().default(false),
    }),
    reply: z.object({ changes: z.array(changeSchema) }),
    errors: ['resources/invalid', 'resources/unknown-kind', 'resources/missing-reference'],
    audit: 'resource.apply',
  }),
  listResources: route({
    method: 'GET',
    path: '/api/v1/resources',
    summary: 'List resources, of one kind or of all',
    permission: 'resources:read',
    query: z.object({ kind: kindSchema.optional() }),
    reply: z.object({ items: z.array(resourceView) }),
  }),
  getResource: route({
    method: 'GET',
    path: '/api/v1/resources/:kind/:name',
    summary: 'Describe a resource: what was declared and what was observed',
    permission: 'resources:read',
    params: byName,
    reply: resourceView,
    errors: ['resources/not-found'],
  }),
  deleteResource: route({
    method: 'DELETE',
    path: '/api/v1/resources/:kind/:name',
    summary: 'Delete a resource; what it produced stays',
    permission: 'resources:write',
    params: byName,
    reply: z.object({ deleted: z.boolean() }),
    errors: ['resources/not-found', 'resources/in-use'],
    audit: 'resource.delete',
  }),
});
