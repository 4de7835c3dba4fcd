import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { request } from 'node:https';
import { connect } from 'node:tls';
import { messageOf } from '#core/errors';

/** What whoever presents a certificate there says, whoever signed it: that it is the configured one is checked. */
export interface TlsPlace {
  readonly url: string;
  /** File of the certificate that is to be presented; empty where this configuration names none. */
  readonly certFile: string;
  readonly withinMs: number;
}

const DAY_MS = 86_400_000;
const SOON_DAYS = 14;
/** Whoever answers at the address may be anybody. */
const JSON_BYTES_MAX = 1_048_576;

/** What is wrong with a certificate, for people. */
export class CertificateError extends Error {
  override readonly name = 'CertificateError';
}

/** Throws {@link CertificateError} when another certificate is presented than is configured, or one that is over. */
export async function certificateWords({ url, certFile, withinMs }: TlsPlace, now: number): Promise<string> {
  const presented = await presentedAt(url, withinMs);
  const configured = certFile === '' ? undefined : new X509Certificate(await readFile(certFile));
  if (configured && configured.fingerprint256 !== presented.fingerprint256) {
    throw new CertificateError(`${url} presents another certificate than ${certFile} has: restart it`);
  }
  const days = Math.floor((presented.validToDate.getTime() - now) / DAY_MS);
  const until = presented.validToDate.toISOString().slice(0, 10);
  if (days < 0) throw new CertificateError(`${url} presents a certificate that ended on ${until}`);
  return `a certificate until ${until}${days < SOON_DAYS ? `, which is in ${days} days` : ''}`;
}

function presentedAt(url: string, withinMs: number): Promise<X509Certificate> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = connect({ host: bare(hostname), port: Number(port) || 443, rejectUnauthorized: false }, () => {
      const found = socket.getPeerX509Certificate();
      socket.destroy();
      if (found) resolve(found);
      else reject(new CertificateError(`${url} presents no certificate`));
    });
    // A limit of the whole, as one who sends a byte now and then is never idle.
    const late = AbortSignal.timeout(withinMs);
    late.addEventListener('abort', () => socket.destroy(new Error(`no answer within ${withinMs} ms`)));
    socket.on('error', reject);
  });
}

/** The JSON at an address, from whoever presents a certificate; undefined where that asks for one of the client. */
export function jsonOverTls(url: string, withinMs: number): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(withinMs);
    const sent = request(url, { rejectUnauthorized: false, agent: false, signal }, async (response) => {
      try {
        const chunks: Buffer[] = [];
        let bytes = 0;
        for await (const chunk of response as AsyncIterable<Buffer>) {
          bytes += chunk.length;
          if (bytes > JSON_BYTES_MAX) throw new Error('more than a description of a server');
          chunks.push(chunk);
        }
        resolve(JSON.parse(Buffer.concat(chunks).toString()));
      } catch {
        resolve(null);
      }
    });
    sent.on('error', (error) => {
      // Under TLS 1.3 a server refuses who has no certificate only after the handshake has ended for the client.
      const refused = 'code' in error && /^(ECONNRESET|EPIPE|ERR_SSL_.*)$/.test(String(error.code));
      if (refused && !signal.aborted) resolve(undefined);
      else reject(new Error(messageOf(error)));
    });
    sent.end();
  });
}

/** Without the brackets of an IPv6 address in a URL. */
function bare(hostname: string): string {
  return hostname.replace(/^\[|\]$/g, '');
}
