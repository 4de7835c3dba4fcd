import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { Cause } from '#core/cause';
import { type Digest, digester } from '#core/hash';
import type { StepContext } from '#pipelines';
import { createClient } from '#platform/contract';
import { registryContract } from '#registry/contract';
import { readJson } from './files.ts';
import { inputOf, type LeakEvidence } from './training-set.ts';

/**
 * Registers the model of a run as a new version, with everything the run learnt as evidence. Inputs that are there are
 * taken: `model` and `signature` must be; `leaks`, `evaluation`, `explanation` and `profile` become evidence.
 */
export async function registerModel(
  ctx: StepContext,
  options: { readonly model: string; readonly description?: string; readonly tags?: Readonly<Record<string, string>> },
) {
  const registry = createClient(registryContract, { baseUrl: ctx.client.url, token: ctx.client.token });
  const path = inputOf(ctx, 'model');
  const { version, digest } = await registry.registerVersion({
    params: { model: options.model },
    body: {
      run: ctx.run,
      cause: causeOf(ctx),
      artifacts: [{ path: 'model.onnx', digest: await digestOfFile(path), bytes: (await stat(path)).size }],
      signature: readJson(inputOf(ctx, 'signature')),
      evidence: evidenceOf(ctx),
      tags: { ...options.tags },
      description: options.description ?? '',
    },
  });
  ctx.log(`registered ${options.model} version ${version}`);
  return { model: options.model, version, digest };
}

type Evidence = { readonly kind: string; readonly passed: boolean | null; readonly data: never };

function evidenceOf(ctx: StepContext): Evidence[] {
  const found: Evidence[] = [];
  const add = (kind: string, passed: (data: unknown) => boolean | null, input = kind): void => {
    if (ctx.inputs[input] === undefined) return;
    const data = readJson<never>(inputOf(ctx, input));
    found.push({ kind, passed: passed(data), data });
  };
  add('leak-check', (data) => (data as LeakEvidence).passed, 'leaks');
  add('evaluation', () => null);
  add('explanation', () => null);
  add('profile', () => null);
  return found;
}

async function digestOfFile(path: string): Promise<Digest> {
  const state = digester();
  for await (const chunk of createReadStream(path)) state.update(chunk as Uint8Array);
  return state.digest();
}

/** A version made by a run has the run's cause, so that what it leads to can be traced back to a person or a rule. */
function causeOf(ctx: StepContext): Cause {
  return ctx.cause;
}
