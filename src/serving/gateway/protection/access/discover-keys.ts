import type { JSONWebKeySet } from 'jose';
import { z } from 'zod';

const TIMEOUT_MS = 10_000;
const metadata = z.object({ issuer: z.string(), jwks_uri: z.string() });
const keySet = z.object({ keys: z.array(z.looseObject({ kty: z.string() })).max(1_000) });

/** Reads the keys of an OpenID Connect issuer, found by its discovery document. Rejects with why they cannot be had. */
export async function discoverKeys(issuer: string): Promise<JSONWebKeySet> {
  const found = metadata.parse(await readJson(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`));
  // OpenID Connect Discovery 1.0, 4.3: another issuer's document says nothing of this one.
  if (found.issuer !== issuer) throw new Error(`${issuer} says that it is ${found.issuer}`);
  return keySet.parse(await readJson(found.jwks_uri));
}

async function readJson(url: string): Promise<unknown> {
  const { protocol, hostname } = new URL(url);
  if (protocol !== 'https:' && !['127.0.0.1', 'localhost', '[::1]'].includes(hostname)) {
    throw new Error(`${url} is not https`);
  }
  const response = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS) });
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
  return response.json();
}
