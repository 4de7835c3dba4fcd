import { z } from 'zod';
import type { Json } from '#core/json';
import { contract, route } from '#platform/contract';
import { modelNameSchema, versionNumber } from '../shapes.ts';

export const bomContract = contract({
  exportBom: route({
    method: 'GET',
    path: '/api/v1/models/:model/versions/:version/bom',
    summary: 'Export what a version is made of as a CycloneDX 1.7 ML-BOM',
    permission: 'registry:read',
    params: z.object({ model: modelNameSchema, version: versionNumber }),
    object: 'model/:model',
    reply: z.custom<Json>(() => true),
    errors: ['registry/model-not-found', 'registry/version-not-found'],
  }),
});
