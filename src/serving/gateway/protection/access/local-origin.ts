/** Names under which only this machine reaches itself. */
const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/i;

export function isLoopback(host: string): boolean {
  return LOOPBACK.test(host.includes(':') && !host.startsWith('[') ? `[${host}]` : host);
}

const REMEMBERED_MAX = 100;
const allowed = new Set<string>();

/**
 * Whether a request that needs no credentials comes from a program on this machine. A page of another site that makes a
 * browser send it is betrayed by its `Origin`, and one that has its own name resolve to this machine (DNS rebinding) by
 * the `Host`. Remembers what it has found good, since clients say the same with every request.
 */
export function isLocal(host: string | undefined, origin: string | undefined): boolean {
  if (origin !== undefined && !isLocalOrigin(origin)) return false;
  // Without a Host it is HTTP/1.0, which no browser speaks.
  if (host === undefined || allowed.has(host)) return true;
  if (!LOOPBACK.test(host.replace(/:\d{1,5}$/, ''))) return false;
  if (allowed.size < REMEMBERED_MAX) allowed.add(host);
  return true;
}

/** `null` is the origin of files and of sandboxed frames, which any site can make. */
function isLocalOrigin(origin: string): boolean {
  return URL.canParse(origin) && LOOPBACK.test(new URL(origin).hostname);
}
