import type { IncomingHttpHeaders } from 'node:http';

export interface DirectHead {
  readonly method: 'GET' | 'POST';
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  /** Of the head, with the empty line that ends it. */
  readonly bytes: number;
  readonly bodyBytes: number;
}

/** Heads by their text: a client sends the same again and again, and to read one costs as much as to score its row. */
export type KnownHeads = Map<string, DirectHead>;
const KNOWN_MAX = 256;

/** A longer head is left to node:http, which has a limit of its own. */
const HEAD_BYTES_MAX = 8_192;

const GET = 'GET /';
const POST = 'POST /';
const VERSION = ' HTTP/1.1';
/** What most heads fit into; the body behind it is then not read as text. */
const SHORT_BYTES = 1_024;

const TARGET = /^\/[\x21\x22\x24-\x7e]*$/;
const NAME = /^[A-Za-z][A-Za-z0-9-]*$/;
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;
const LENGTH = /^\d{1,9}$/;

/**
 * The head of a request that is as plain as nearly all are: `GET` or `POST`, HTTP/1.1 (RFC 9112), each header once, a
 * body of known length, and a connection that stays open. `'incomplete'` while a plain head may still follow;
 * `'other'` for everything else, right or wrong, which node:http has to read and judge.
 */
export function readHead(bytes: Buffer, known: KnownHeads): DirectHead | 'incomplete' | 'other' {
  let text = bytes.toString('latin1', 0, Math.min(bytes.length, SHORT_BYTES));
  let end = text.indexOf('\r\n\r\n');
  if (end < 0 && bytes.length > SHORT_BYTES) {
    text = bytes.toString('latin1', 0, Math.min(bytes.length, HEAD_BYTES_MAX));
    end = text.indexOf('\r\n\r\n');
  }
  if (end < 0) return bytes.length < HEAD_BYTES_MAX && mayBePlain(text) ? 'incomplete' : 'other';
  return readWhole(text.slice(0, end + 4), known);
}

/** The head with which these bytes begin if it is one of `length` bytes that has come before. */
export function knownHead(bytes: Buffer, length: number, known: KnownHeads): DirectHead | undefined {
  return length === 0 || length > bytes.length ? undefined : known.get(bytes.toString('latin1', 0, length));
}

function readWhole(text: string, known: KnownHeads): DirectHead | 'other' {
  const before = known.get(text);
  if (before) return before;
  const method = text.startsWith(POST) ? 'POST' : text.startsWith(GET) ? 'GET' : undefined;
  const lineEnd = text.indexOf('\r\n');
  if (!method || !text.startsWith(VERSION, lineEnd - VERSION.length)) return 'other';
  const url = text.slice(method.length + 1, lineEnd - VERSION.length);
  const headers = TARGET.test(url) ? readHeaders(text, lineEnd + 2, text.length - 4) : undefined;
  if (!headers?.host) return 'other';
  const { 'content-length': length = method === 'GET' ? '0' : '' } = headers;
  if (!LENGTH.test(length)) return 'other';
  const head = { method, url, headers: Object.freeze(headers), bytes: text.length, bodyBytes: Number(length) } as const;
  if (known.size >= KNOWN_MAX) known.clear();
  known.set(text, head);
  return head;
}

function mayBePlain(text: string): boolean {
  return text.startsWith(POST) || text.startsWith(GET) || POST.startsWith(text) || GET.startsWith(text);
}

/** The headers between two places of a head; undefined when one of them asks for more than a plain exchange. */
function readHeaders(text: string, from: number, end: number): IncomingHttpHeaders | undefined {
  const headers: IncomingHttpHeaders = {};
  for (let at = from; at < end; ) {
    const found = text.indexOf('\r\n', at);
    const lineEnd = found < 0 || found > end ? end : found;
    const colon = text.indexOf(':', at);
    if (colon < 0 || colon > lineEnd) return undefined;
    const name = text.slice(at, colon);
    const value = trimmed(text, colon + 1, lineEnd);
    if (!NAME.test(name) || !VALUE.test(value)) return undefined;
    const key = name.toLowerCase();
    if (key in headers || !isPlain(key, value)) return undefined;
    headers[key] = value;
    at = lineEnd + 2;
  }
  return headers;
}

/** False for headers that change how a message is framed, or what becomes of its connection. */
function isPlain(key: string, value: string): boolean {
  switch (key) {
    case 'connection':
      return value.toLowerCase() === 'keep-alive';
    case 'transfer-encoding':
    case 'expect':
    case 'upgrade':
    case 'trailer':
    case 'te':
    case 'http2-settings':
    // Lists, to node:http.
    case 'set-cookie':
      return false;
    default:
      return true;
  }
}

/** Between two places, without the spaces and tabs around it, which are the only white space that HTTP knows there. */
function trimmed(text: string, from: number, to: number): string {
  let start = from;
  let end = to;
  while (start < end && isBlank(text.charCodeAt(start))) start++;
  while (end > start && isBlank(text.charCodeAt(end - 1))) end--;
  return text.slice(start, end);
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}
