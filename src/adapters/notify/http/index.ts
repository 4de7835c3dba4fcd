import { type LookupAddress, lookup as resolve } from 'node:dns';
import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { isIP, type LookupFunction } from 'node:net';
import { messageOf } from '#core/errors';
import { type Message, type Notifier, notifyErrors, REPLY_BYTES_MAX } from '#ports/notifier';
import { isPublicAddress } from './public-address.ts';

/** Over plain HTTP and HTTPS. With `insideToo`, messages may go to addresses that are not public. */
export function openHttpNotifier({ insideToo = false }: { readonly insideToo?: boolean } = {}): Notifier {
  const lookup = insideToo ? undefined : publicLookup;
  return {
    async check(url) {
      const { hostname } = target(url, insideToo);
      if (insideToo) return;
      await new Promise<void>((done, fail) =>
        publicLookup(bare(hostname), { all: true }, (error) => (error ? fail(refusal(error)) : done())),
      );
    },
    async post(message) {
      const url = target(message.url, insideToo);
      return new Promise((done, fail) => {
        const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
        const signal = AbortSignal.timeout(message.timeoutMs);
        const request = send(url, { method: 'POST', agent: false, signal, ...(lookup ? { lookup } : {}) });
        request.on('error', (error) =>
          fail(
            signal.aborted
              ? lateness(message)
              : 'code' in error && error.code === INSIDE
                ? refusal(error)
                : lost(error),
          ),
        );
        request.on('response', (response) => void readReply(response).then(done, fail));
        write(request, message);
      });
    },
  };
}

function write(request: ClientRequest, { headers, body }: Message): void {
  for (const [name, value] of Object.entries(headers)) request.setHeader(name, value);
  request.end(body);
}

/** As much of the reply as is kept; what comes after it is not waited for. */
async function readReply(response: IncomingMessage): Promise<{ status: number; body: string }> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      bytes += chunk.byteLength;
      if (bytes >= REPLY_BYTES_MAX) break;
    }
  } catch (error) {
    throw lost(error);
  }
  const body = Buffer.concat(chunks).subarray(0, REPLY_BYTES_MAX).toString('utf8');
  return { status: response.statusCode ?? 0, body };
}

function target(text: string, insideToo: boolean): URL {
  const url = URL.parse(text);
  const shown = JSON.stringify(text.slice(0, 200));
  if (!url || !['http:', 'https:'].includes(url.protocol)) {
    throw notifyErrors['invalid-target'](`${shown} is not an http:// or https:// address`);
  }
  if (url.username || url.password) throw notifyErrors['invalid-target'](`${shown} carries a user name or password`);
  // A name goes through the lookup when it is connected to, an address does not.
  const address = bare(url.hostname);
  if (!insideToo && isIP(address) && !isPublicAddress(address)) throw inside(address);
  return url;
}

/** Without the brackets of an IPv6 address in a URL. */
function bare(hostname: string): string {
  return hostname.replace(/^\[|\]$/g, '');
}

const INSIDE = 'KEDGE_ADDRESS_INSIDE';

/** Resolves a name, and refuses it when any of its addresses is not public: which one is used is not ours to choose. */
const publicLookup: LookupFunction = (hostname, options, callback) => {
  resolve(hostname, { ...options, all: true }, (error, addresses: LookupAddress[]) => {
    if (error) return callback(error, []);
    const hidden = addresses.find(({ address }) => !isPublicAddress(address));
    if (hidden) return callback(Object.assign(inside(hidden.address), { code: INSIDE }), []);
    const [first] = addresses;
    if (options.all || !first) return callback(null, addresses);
    callback(null, first.address, first.family);
  });
};

function inside(address: string): Error {
  return notifyErrors['invalid-target'](
    `${address} is not a public address; set KEDGE_NOTIFY_INSIDE=true to let messages go to addresses inside`,
  );
}

function refusal(error: Error): Error {
  return notifyErrors['invalid-target'](messageOf(error));
}

function lost(error: unknown): Error {
  return notifyErrors['not-delivered'](messageOf(error));
}

function lateness({ timeoutMs }: Message): Error {
  return notifyErrors['not-delivered'](`no answer within ${timeoutMs} ms`);
}
