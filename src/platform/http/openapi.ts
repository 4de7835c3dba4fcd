import { z } from 'zod';
import type { Json } from '#core/json';
import type { Contract, RouteSpec } from '#platform/contract';
import { SESSION_COOKIE } from './credentials.ts';

/** OpenAPI 3.1 of the given contracts. Schemas are those that validate the requests. */
export function openApi(contracts: readonly Contract[], version: string): Json {
  const paths: Record<string, Record<string, Json>> = {};
  for (const [name, spec] of contracts.flatMap((contract) => Object.entries(contract))) {
    const path = spec.path.replace(/:([a-zA-Z]+)/g, '{$1}');
    paths[path] = { ...paths[path], [spec.method.toLowerCase()]: operation(name, spec) };
  }
  return {
    openapi: '3.1.0',
    info: { title: 'Kedge', version, license: { name: 'Apache-2.0', identifier: 'Apache-2.0' } },
    paths,
    components: {
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer' },
        password: { type: 'http', scheme: 'basic' },
        session: { type: 'apiKey', in: 'cookie', name: SESSION_COOKIE },
      },
      schemas: { Problem: PROBLEM },
    },
    security: [{ token: [] }, { password: [] }, { session: [] }],
  };
}

function operation(name: string, spec: RouteSpec): Json {
  return {
    operationId: name,
    summary: spec.summary,
    tags: [spec.permission.includes(':') ? (spec.permission.split(':')[0] as string) : 'session'],
    'x-permission': spec.permission,
    ...(typeof spec.object === 'string' ? { 'x-object': spec.object } : {}),
    ...(spec.permission === 'public' ? { security: [] } : {}),
    ...(spec.audit ? { 'x-audit': spec.audit } : {}),
    parameters: [...parameters('path', spec.params), ...parameters('query', spec.query)],
    ...requestBody(spec),
    responses: {
      '200': { description: 'Success', content: { 'application/json': { schema: schemaOf(spec.reply, 'output') } } },
      default: {
        description: ['A problem', ...(spec.errors ?? [])].join('; '),
        content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
      },
    },
  };
}

function requestBody(spec: RouteSpec): Record<string, Json> {
  if (spec.upload) {
    const content = Object.fromEntries(
      spec.upload.map((type) => [type, { schema: { type: 'string', format: 'binary' } }]),
    );
    return { requestBody: { required: true, content } };
  }
  if (!spec.body) return {};
  return { requestBody: { required: true, content: { 'application/json': { schema: schemaOf(spec.body, 'input') } } } };
}

function parameters(where: 'path' | 'query', schema: z.ZodObject | undefined): Json[] {
  return Object.entries(schema?.shape ?? {}).map(([name, field]) => ({
    name,
    in: where,
    required: where === 'path' || !z.safeParse(field as z.ZodType, undefined).success,
    schema: schemaOf(field as z.ZodType, 'input'),
  }));
}

function schemaOf(schema: z.ZodType, io: 'input' | 'output'): Json {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any' });
  return rest as Json;
}

const PROBLEM: Json = {
  type: 'object',
  description: 'RFC 9457 problem details.',
  required: ['type', 'title', 'status', 'detail', 'code'],
  properties: {
    type: { type: 'string', format: 'uri' },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string' },
    code: { type: 'string', description: 'Stable for ever.' },
    instance: { type: 'string' },
    fields: {
      type: 'array',
      items: { type: 'object', properties: { path: { type: 'string' }, message: { type: 'string' } } },
    },
  },
};
