import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openFsBlobStore } from '#adapters/blob/fs';
import { ManualClock } from '#core/clock';
import { realSystem } from '#core/system';
import { createLogger } from '#platform/observe';
import type { Arm, RoutedEndpoint } from '../../routing.ts';
import type { QueueWish } from '../batching/batch-policy.ts';
import { armsOf, type LiveEndpoint, liveEndpoint } from '../live-endpoint.ts';
import type { Prediction } from '../prediction.ts';
import { Predictor } from '../predictor.ts';
import { readInstance } from '../read-instance.ts';
import { ModelCache } from '../runtime/model-cache.ts';
import type { RuntimeChoice } from '../runtime/model-runtime.ts';
import { Scorer } from '../scorer.ts';
import { type ModelStatistics, StatisticsBook } from '../statistics.ts';
import { TensorScorer } from '../tensor-scorer.ts';
import { endpointOf, putModel } from './gateway-harness.ts';
import type { TestModel } from './models.ts';

export interface Asked {
  /** Rejects with what the request was refused with, or with the error of a prediction. */
  readonly answer: Promise<readonly Prediction[]>;
  readonly leave: () => void;
}

type Inputs = Readonly<Record<string, unknown>>;

/** The scorer of a gateway with real models, on a clock that a test moves. */
export interface ScorerHarness {
  readonly clock: ManualClock;
  /** Ids in the order in which they were recorded. */
  readonly recorded: readonly string[];
  endpoint(name: string, model: TestModel, more?: Partial<RoutedEndpoint>): Promise<LiveEndpoint>;
  put(model: TestModel, version: number): Promise<Arm>;
  ask(endpoint: LiveEndpoint, rows: readonly Inputs[], wish?: QueueWish & { readonly id?: string }): Asked;
  statistics(endpoint: LiveEndpoint): ModelStatistics;
  /** Resolves when the present turn has ended. */
  turn(): Promise<void>;
  close(): Promise<void>;
}

/** More polls than a turn has at most. */
const POLLS = 12;

export async function openScorer(choice: RuntimeChoice): Promise<ScorerHarness> {
  const folder = await mkdtemp(join(tmpdir(), 'kedge-scorer-'));
  const blobs = await openFsBlobStore({ root: folder });
  const clock = new ManualClock();
  const system = { ...realSystem(), clock };
  const logger = createLogger('test', 'silent');
  const cache = new ModelCache({ blobs, memoryBytesMax: 1e9, choice, clock, logger });
  const book = new StatisticsBook();
  const recorded: string[] = [];
  const tensorScorer = new TensorScorer({ cache, clock, statistics: book, timeoutMs: 60_000 });
  const scorer = new Scorer({
    ...{ cache, clock, statistics: book, timeoutMsMax: 60_000, tensors: { tensorScorer, rowsMax: 1_000 } },
    record: (predictions) => recorded.push(...predictions.filter(({ error }) => !error).map(({ id }) => id)),
    recordShadows: () => undefined,
    onTrip: () => undefined,
  });
  const predictor = new Predictor({ scorer, features: undefined, system });
  return {
    clock,
    recorded,
    async endpoint(name, model, more = {}) {
      const routed = endpointOf(name, await putModel(blobs, model, { name, version: 1 }), {
        timeoutMs: 50_000,
        ...more,
      });
      const endpoint = liveEndpoint(routed, clock.now());
      for (const { file } of armsOf(endpoint)) await cache.load(file);
      return endpoint;
    },
    put: (model, version) => putModel(blobs, model, { name: 'other', version }),
    ask(endpoint, rows, { id, ...wish } = {}) {
      let leave = (): void => undefined;
      const answer = new Promise<readonly Prediction[]>((resolve, reject) => {
        const instances = rows.map((inputs, i) => readInstance({ inputs, ...(id ? { id: `${id}-${i}` } : {}) }, ''));
        predictor.predict({
          ...{ endpoint, caller: undefined, instances, path: 'instances', wish, fail: reject },
          onGone(listener) {
            leave = listener;
          },
          finish(predictions) {
            const failed = predictions.find(({ error }) => error);
            if (failed) reject(failed.error);
            else resolve(predictions);
          },
        });
      });
      // Whoever looks for the error still gets it.
      answer.catch(() => undefined);
      return { answer, leave: () => leave() };
    },
    statistics: ({ current, routed }) => book.ofArm(current, routed.name),
    async turn() {
      for (let i = 0; i < POLLS; i++) await new Promise((resolve) => setImmediate(resolve));
    },
    async close() {
      await cache.close();
      await rm(folder, { recursive: true });
    },
  };
}
