/** Whoever sends a request, as its credentials say. */
export interface Caller {
  /** `user:ada`, `service:worker`, `token:<subject>` of an identity provider. */
  readonly id: string;
  /** `group:risk` and so on. */
  readonly groups: readonly string[];
  readonly tenant?: string | undefined;
}

/** A caller who speaks for a tenant; somebody without a name where nobody has to say who they are. */
export function ofTenant(caller: Caller | undefined, tenant: string | undefined): Caller | undefined {
  return tenant === undefined ? caller : { id: '', groups: [], ...caller, tenant };
}

/** What a request brings along that tells who sends it, by HTTP header or gRPC metadata. */
export interface Credentials {
  readonly authorization?: string | undefined;
  readonly 'x-api-key'?: string | string[] | undefined;
}

/**
 * The key or token that a request presents: `Authorization: Bearer <it>`, `X-Api-Key: <it>`, or as the password of
 * `Authorization: Basic`, for clients that know nothing else. Undefined when it presents none.
 */
export function secretOf(credentials: Credentials): string | undefined {
  const { authorization, 'x-api-key': key } = credentials;
  if (authorization === undefined) return typeof key === 'string' ? key : undefined;
  const [, scheme = '', value = ''] = /^\s*(\S+)\s+(\S+)\s*$/.exec(authorization) ?? [];
  if (/^bearer$/i.test(scheme)) return value;
  if (!/^basic$/i.test(scheme)) return '';
  const text = Buffer.from(value, 'base64').toString('utf8');
  return text.slice(text.indexOf(':') + 1);
}
