import { gatewayErrors } from '../errors.ts';

/** How a request says for which tenant it is. */
export type TenantRule =
  | { readonly by: 'header'; readonly header: string }
  /** `/t/<tenant>/v2/…` */
  | { readonly by: 'path' }
  /** `<tenant>.<domain>` */
  | { readonly by: 'host'; readonly domain: string };

const TENANT = /^[a-z0-9](?:[a-z0-9-]{0,48}[a-z0-9])?$/;
const PREFIX = /^\/t\/([^/]*)(\/.*)$/;

/** `header:X-Tenant`, `path` or `host:ml.bank.example`; undefined for a text that is none of these. */
export function tenantRuleOf(text: string): TenantRule | undefined {
  const [by, value = ''] = text.split(/:(.*)/s);
  if (by === 'path' && value === '') return { by };
  if (by === 'header' && /^[\w-]{1,100}$/.test(value)) return { by, header: value.toLowerCase() };
  if (by === 'host' && /^[a-z0-9.-]{1,200}$/i.test(value)) return { by, domain: `.${value.toLowerCase()}` };
  return undefined;
}

export interface Addressed {
  /** Undefined for a request of no tenant. */
  readonly tenant: string | undefined;
  /** Without the part that named the tenant. */
  readonly path: string;
}

/** For whom a request is. Errors: `gateway/invalid-request` for what cannot be the name of a tenant. */
export function tenantOf(rule: TenantRule, path: string, header: (name: string) => string | undefined): Addressed {
  const [given, rest] = namedBy(rule, path, header);
  if (given === undefined || given === '') return { tenant: undefined, path: rest };
  const tenant = given.toLowerCase();
  if (TENANT.test(tenant)) return { tenant, path: rest };
  throw gatewayErrors['invalid-request'](`'${given.slice(0, 60)}' cannot be a tenant: 1 to 50 letters, digits and -`);
}

function namedBy(
  rule: TenantRule,
  path: string,
  header: (name: string) => string | undefined,
): readonly [string | undefined, string] {
  if (rule.by === 'header') return [header(rule.header), path];
  if (rule.by === 'path') {
    const [, tenant, rest] = PREFIX.exec(path) ?? [];
    return rest === undefined ? [undefined, path] : [tenant, rest];
  }
  const host = (header('host') ?? '').replace(/:\d+$/, '').toLowerCase();
  return [host.endsWith(rule.domain) ? host.slice(0, -rule.domain.length) : undefined, path];
}
