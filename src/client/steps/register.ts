import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { backoffMs } from '#core/backoff';
import type { Cause } from '#core/cause';
import { sleep } from '#core/clock';
import { type Digest, digester } from '#core/hash';
import { realSystem } from '#core/system';
import type { StepContext } from '#pipelines';
import { readJson } from './files.ts';
import { inputOf, type LeakEvidence } from './training-set.ts';

/** A control plane that is started again is back within seconds. */
const AWAY_MS_MAX = 60_000;

/**
 * Registers the model of a run as a new version, with everything the run learnt as evidence. Inputs that are there are
 * taken: `model` and `signature` must be; `leaks`, `evaluation`, `explanation` and `profile` become evidence.
 * Asks again while the control plane is away: a run registers a version once, however often it asks.
 */
export async function registerModel(
  ctx: StepContext,
  options: { readonly model: string; readonly description?: string; readonly tags?: Readonly<Record<string, string>> },
) {
  // Loaded here, because the processes of all other steps start without the contracts of the platform.
  const { createClient, ProblemError } = await import('#platform/contract');
  const { registryContract } = await import('#registry/contract');
  const registry = createClient(registryContract, { baseUrl: ctx.client.url, token: ctx.client.token });
  const path = inputOf(ctx, 'model');
  const body = {
    run: ctx.run,
    cause: causeOf(ctx),
    artifacts: [{ path: 'model.onnx', digest: await digestOfFile(path), bytes: (await stat(path)).size }],
    signature: readJson<never>(inputOf(ctx, 'signature')),
    evidence: evidenceOf(ctx),
    tags: { ...options.tags },
    description: options.description ?? '',
  };
  const register = () => registry.registerVersion({ params: { model: options.model }, body });
  const isRefusal = (error: unknown): boolean => error instanceof ProblemError;
  const { version, digest } = await untilAnswered(register, { isRefusal, signal: ctx.signal });
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

/** A refusal is an answer, and would be the same the next time. */
async function untilAnswered<T>(
  ask: () => Promise<T>,
  { isRefusal, signal }: { readonly isRefusal: (error: unknown) => boolean; readonly signal: AbortSignal },
): Promise<T> {
  const { clock, random } = realSystem();
  const giveUpAt = clock.monotonic() + AWAY_MS_MAX;
  for (let attempt = 0; ; attempt++) {
    try {
      return await ask();
    } catch (error) {
      if (isRefusal(error) || signal.aborted || clock.monotonic() > giveUpAt) throw error;
    }
    await sleep(clock, backoffMs(attempt, random, { capMs: 2_000 }), signal);
  }
}
