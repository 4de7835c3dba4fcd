import type { Objects } from '../../routes/reach/objects.ts';
import { requestsFor } from '../../routes/reach/requests.ts';
import { type Asked, ask } from './ask.ts';
import type { HostileServer } from './server.ts';

/** A route that takes JSON, with an address and a body that it would take. */
export interface JsonRoute {
  readonly method: string;
  readonly path: string;
  /** The names of the fields that it knows. */
  readonly fields: readonly string[];
  readonly body: Readonly<Record<string, unknown>>;
}

interface Described {
  readonly paths: Readonly<
    Record<string, Readonly<Record<string, { readonly requestBody?: { readonly content: Content } }>>>
  >;
  readonly components?: { readonly schemas?: Readonly<Record<string, Schema>> };
}
type Content = Readonly<Record<string, { readonly schema?: Schema }>>;
interface Schema {
  readonly $ref?: string;
  readonly properties?: Readonly<Record<string, unknown>>;
}

/** Every route of MLflow's and of the platform's own that takes JSON: the latter as the server describes them. */
export async function jsonRoutes(server: HostileServer, objects: Objects): Promise<JsonRoute[]> {
  return [...mlflowRoutes(objects), ...(await ownRoutes(server))];
}

function mlflowRoutes(objects: Objects): JsonRoute[] {
  return Object.entries(requestsFor(objects)).flatMap(([name, { json, params = {} }]) => {
    const [method = '', template = ''] = name.split(' ');
    if (json === undefined || !template.includes('mlflow')) return [];
    const body = json as Record<string, unknown>;
    return { method, path: filled(template, params), fields: Object.keys(body), body };
  });
}

async function ownRoutes(server: HostileServer): Promise<JsonRoute[]> {
  const { text } = await ask(server, { method: 'GET', path: '/api/v1/openapi.json' });
  const { paths, components } = JSON.parse(text) as Described;
  return Object.entries(paths).flatMap(([template, methods]) =>
    Object.entries(methods).flatMap(([method, { requestBody }]) => {
      const schema = requestBody?.content['application/json']?.schema;
      if (!schema) return [];
      const name = schema.$ref?.split('/').at(-1);
      const { properties = {} } = name === undefined ? schema : (components?.schemas?.[name] ?? {});
      const path = template.replace(/\{[^}]+\}/g, '1');
      return { method: method.toUpperCase(), path, fields: Object.keys(properties), body: {} };
    }),
  );
}

function filled(template: string, params: Readonly<Record<string, string>>): string {
  const named = template.replace(/:([a-zA-Z_]+)/g, (_, name: string) => encodeURIComponent(params[name] ?? '1'));
  return named.replace('*', params['*'] ?? '');
}

/** The route asked with each of its fields in turn replaced by a text of JSON, which nothing has to be able to make. */
export function withEachField({ method, path, fields, body }: JsonRoute, text: string): Asked[] {
  return fields.map((field) => {
    const others = Object.entries(body).filter(([name]) => name !== field);
    const known = others.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`);
    return { method, path, body: `{${[...known, `${JSON.stringify(field)}:${text}`].join(',')}}` };
  });
}
