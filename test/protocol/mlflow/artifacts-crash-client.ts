import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { type Digest, digestOf } from '#core/hash';
import type { Random } from '#core/random';

const API = '/api/2.0/mlflow';
const FILES = '/api/2.0/mlflow-artifacts/artifacts';
const KEYS = 5;
const STEPS = 5;
const PARAMS = 4;
const PIECE_BYTES = 64 * 1024;
/** One file in four has more than one piece; the others are at their end soon, where a kill is most delicate. */
const PIECES_MAX = 40;

/** What a client sends in one request: a batch, or a file of so many pieces. */
type Write =
  | { readonly kind: 'batch'; readonly i: number }
  | { readonly kind: 'file'; readonly i: number; pieces: number };

/** All that a run has. Every list is sorted, and has twice what is there twice. */
export interface RunState {
  readonly points: readonly string[];
  readonly params: readonly string[];
  readonly tags: readonly string[];
  readonly files: readonly string[];
}

/**
 * One of many clients of a server that is killed: by turns it logs a batch to its run and stores a file there. It knows
 * which writes were acknowledged and which one, if any, got no answer. What it writes follows from its seed.
 */
export class CrashClient {
  readonly run: string;
  readonly #experiment: string;
  readonly #random: Random;
  readonly acknowledged: Write[] = [];
  unanswered: Write | undefined;
  #next = 0;

  private constructor(run: string, experiment: string, random: Random) {
    this.run = run;
    this.#experiment = experiment;
    this.#random = random;
  }

  static async begin(url: string, experiment: string, random: Random): Promise<CrashClient> {
    const { run } = (await call(url, `${API}/runs/create`, { experiment_id: experiment })) as {
      run: { info: { run_id: string } };
    };
    return new CrashClient(run.info.run_id, experiment, random);
  }

  /** Sends what got no answer again, as MLflow's client does, and then the next; until the server goes away. */
  async work(url: string, onAcknowledged: () => void): Promise<void> {
    while (await this.#send(url, this.unanswered ?? this.#invent())) onAcknowledged();
  }

  /** Sends what got no answer again. */
  async retry(url: string): Promise<void> {
    if (this.unanswered) assert.ok(await this.#send(url, this.unanswered), 'the server went away');
  }

  /** Does not send again what got no answer; it counts if it turned out to be committed. */
  giveUp(isCommitted: boolean): void {
    if (isCommitted && this.unanswered) this.acknowledged.push(this.unanswered);
    this.unanswered = undefined;
  }

  /** What the run has to have: the acknowledged writes, and with `all` also the one that got no answer. */
  expected(all: boolean): RunState {
    const writes = all && this.unanswered ? [...this.acknowledged, this.unanswered] : this.acknowledged;
    const batches = writes.filter(({ kind }) => kind === 'batch').map(({ i }) => bodyOf(this.run, i));
    return {
      points: batches.flatMap(({ metrics }) => metrics.map(pointText)).sort(),
      params: batches.flatMap(({ params }) => params.map(pairText)).sort(),
      tags: batches.flatMap(({ tags }) => tags.map(pairText)).sort(),
      files: writes.flatMap((write) => (write.kind === 'file' ? [`f${write.i} ${this.#digestOf(write)}`] : [])).sort(),
    };
  }

  /** What the run has according to the server, all content of its files read. */
  async found(url: string): Promise<RunState> {
    const { run } = (await call(url, `${API}/runs/get?run_id=${this.run}`)) as {
      run: { data: { params?: Pair[]; tags?: Pair[] } };
    };
    const points: string[] = [];
    for (let key = 0; key < KEYS; key++) points.push(...(await this.#history(url, `m${key}`)));
    const listed = (await call(url, `${FILES}?path=${this.#experiment}/${this.run}/artifacts`)) as {
      files: { path: string }[];
    };
    const files: string[] = [];
    for (const { path } of listed.files) files.push(`${path} ${await this.#stored(url, path)}`);
    const { params = [], tags = [] } = run.data;
    return {
      points: points.sort(),
      params: params.map(pairText).sort(),
      tags: tags
        .filter(({ key }) => !key.startsWith('mlflow.'))
        .map(pairText)
        .sort(),
      files: files.sort(),
    };
  }

  async #history(url: string, key: string): Promise<string[]> {
    const query = `run_id=${this.run}&metric_key=${key}&max_results=25000`;
    const { metrics = [] } = (await call(url, `${API}/metrics/get-history?${query}`)) as { metrics?: Point[] };
    return metrics.map(pointText);
  }

  async #stored(url: string, path: string): Promise<Digest> {
    const reply = await fetch(`${url}${FILES}/${this.#experiment}/${this.run}/artifacts/${path}`);
    assert.equal(reply.status, 200, path);
    return digestOf(await reply.bytes());
  }

  #invent(): Write {
    const i = this.#next++;
    if (i % 2 === 0) return { kind: 'batch', i };
    return { kind: 'file', i, pieces: this.#random.int(4) === 0 ? 1 + this.#random.int(PIECES_MAX) : 1 };
  }

  async #send(url: string, write: Write): Promise<boolean> {
    this.unanswered = write;
    const answered =
      write.kind === 'batch'
        ? send(url, { method: 'POST', path: `${API}/runs/log-batch` }, JSON.stringify(bodyOf(this.run, write.i)))
        : send(
            url,
            { method: 'PUT', path: `${FILES}/${this.#experiment}/${this.run}/artifacts/f${write.i}` },
            this.#contentOf(write),
          );
    if (!(await answered)) return false;
    this.acknowledged.push(write);
    this.unanswered = undefined;
    return true;
  }

  #digestOf(write: Write & { readonly kind: 'file' }): Digest {
    return digestOf(this.#contentOf(write));
  }

  #contentOf({ i, pieces }: Write & { readonly kind: 'file' }): Buffer {
    const seed = createHash('sha256').update(`${this.run} ${i}`).digest('hex');
    return Buffer.concat(Array.from({ length: pieces }, (_, n) => Buffer.alloc(PIECE_BYTES, `${n} ${seed}`)));
  }
}

interface Pair {
  readonly key: string;
  readonly value: string;
}

interface Point {
  readonly key: string;
  readonly value: number;
  readonly timestamp: number;
  readonly step: number;
}

function bodyOf(run: string, i: number) {
  const metrics: Point[] = [];
  for (let key = 0; key < KEYS; key++) {
    for (let n = 0; n < STEPS; n++) {
      const step = i * STEPS + n;
      metrics.push({ key: `m${key}`, value: key + step / 1_000, timestamp: 1_700_000_000_000 + step, step });
    }
  }
  const pairs = (prefix: string): Pair[] =>
    Array.from({ length: PARAMS }, (_, n) => ({ key: `${prefix}${i}.${n}`, value: `${prefix} ${i} ${n}` }));
  return { run_id: run, metrics, params: pairs('p'), tags: pairs('t') };
}

function pointText({ key, value, timestamp, step }: Point): string {
  return `${key} ${value} ${timestamp} ${step}`;
}

function pairText({ key, value }: Pair): string {
  return `${key}=${value}`;
}

/** False when the server went away before it answered. Any answer but 200 is an error. */
function send(url: string, to: { readonly method: string; readonly path: string }, body: string | Buffer) {
  return new Promise<boolean>((resolve, reject) => {
    const headers = { 'content-length': Buffer.byteLength(body), 'content-type': 'application/json' };
    const request = httpRequest(`${url}${to.path}`, { method: to.method, headers, agent: false });
    request.on('error', () => resolve(false));
    request.on('response', (reply: IncomingMessage) => {
      reply.resume();
      reply.on('error', () => resolve(false));
      reply.on('end', () => {
        if (reply.statusCode === 200) resolve(true);
        else reject(new Error(`${to.method} ${to.path} was answered with ${reply.statusCode}`));
      });
    });
    request.end(body);
  });
}

/** GET, or POST of a body. */
export async function call(url: string, path: string, body?: object): Promise<unknown> {
  const reply = await fetch(url + path, body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) });
  const text = await reply.text();
  assert.equal(reply.status, 200, `${path}: ${text}`);
  return JSON.parse(text);
}
