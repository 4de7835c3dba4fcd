import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { openFsBlobStore } from '#adapters/blob/fs';
import { seededRandom } from '#core/random';
import { gbdtToOnnx } from '#learn/onnx';
import type { RoutingTable } from '#serving';
import { randomModel } from './forest.ts';

const names = Array.from({ length: 30 }, (_, i) => `f${i}`);

/** A model of 100 trees with 31 leaves over 30 numbers, as an ONNX file. */
export function forestModel(seed?: number): Uint8Array<ArrayBuffer> {
  return gbdtToOnnx(randomModel({ features: names, trees: 100, leaves: 31, ...(seed ? { seed } : {}) })).bytes;
}

/** The same rows for it each time. */
export function forestRows(count: number): number[][] {
  const random = seededRandom(1);
  return Array.from({ length: count }, () => names.map(() => Number((random.next() * 4 - 2).toFixed(3))));
}

/**
 * Stores the model and a routing table with the endpoint `bench` that answers with it, and returns bodies of requests
 * to it. With a shadow, another such model is scored beside each answer, in a rollout decided on live traffic.
 */
export async function prepareForest(folder: string, routingFile: string, withShadow = false): Promise<string[]> {
  const blobs = await openFsBlobStore({ root: join(folder, 'blobs') });
  const { digest } = await blobs.put(forestModel());
  const signature = {
    inputs: names.map((name) => ({ name, kind: 'numeric' as const })),
    output: 'probability' as const,
  };
  const current = { revision: 'bench@1', model: 'bench', version: 1, digest, signature };
  const guardrail = { errorRateMax: 1, latencyP95MsMax: 1_000, requestsMin: 100, windowMs: 60_000 };
  const shadow = {
    candidate: {
      ...{ revision: 'bench@2', model: 'bench', version: 2, signature, weight: 0, shadow: true },
      digest: (await blobs.put(forestModel(43))).digest,
    },
    live: { blockMs: 10_000, sticky: null, override: false },
    rollout: 'rollout-1',
  };
  const endpoint = { name: 'bench', current, features: null, guardrail, timeoutMs: 1_000, locked: false };
  const table: RoutingTable = {
    version: 1,
    endpoints: { bench: { ...endpoint, ...(withShadow ? shadow : {}) } },
  };
  await mkdir(dirname(routingFile), { recursive: true });
  await writeFile(routingFile, JSON.stringify(table));
  return forestRows(256).map((row, i) =>
    JSON.stringify({ id: `bench-${i}`, inputs: Object.fromEntries(names.map((name, k) => [name, row[k]])) }),
  );
}
