import type { Json } from '#core/json';
import type { Tx } from '#platform/db';
import { cacheKeyOf, ingredientsOf } from '../cache-key.ts';
import { obstacleOf, sourceOf, valueAt } from '../conditions.ts';
import type { Artifact } from '../contract.ts';
import { outputName } from '../outputs.ts';
import { explainMiss } from '../service/explain.ts';
import { artifactOf, textOfResult } from '../service/inputs.ts';
import type { NewStep } from '../service/start-run.ts';
import { listed, listOf } from '../service/units.ts';
import { parseSource, stepRead } from '../sources.ts';
import { findCacheEntry, freshSince } from '../store/cache.ts';
import type { StoredRun } from '../store/runs.ts';
import { earlierKeys, type StepDefinition } from '../store/steps.ts';
import { findCacheEntries } from '../store/units.ts';
import { itemsOf, unitName, unitParams } from '../units.ts';
import type { PlannedStep } from './contract.ts';

/** Earlier keys among which the nearest is sought. */
const EARLIER_MAX = 50;

/** What a step will have made, as far as that can be known without running anything. */
interface Product {
  readonly outputs: Readonly<Record<string, Artifact>>;
  readonly result: Json;
}

/** What each step of a run that is not started would do. */
export async function planSteps(tx: Pick<Tx, 'db' | 'now'>, run: StoredRun, steps: readonly NewStep[]) {
  const planner = new Planner(tx, run);
  const planned = new Map<string, PlannedStep>();
  const waiting = [...steps];
  while (waiting.length > 0) {
    const next = waiting.findIndex(({ state }) => state.needs.every((name) => planned.has(name)));
    // A graph that was validated has no cycle.
    const [step] = waiting.splice(Math.max(0, next), 1);
    if (step) planned.set(step.state.name, await planner.plan(step));
  }
  return steps.flatMap(({ state }) => planned.get(state.name) ?? []);
}

class Planner {
  readonly #tx: Pick<Tx, 'db' | 'now'>;
  readonly #run: StoredRun;
  /** What steps will have made; absent for those that run first. */
  readonly #products = new Map<string, Product>();
  readonly #skipped = new Set<string>();

  constructor(tx: Pick<Tx, 'db' | 'now'>, run: StoredRun) {
    this.#tx = tx;
    this.#run = run;
  }

  async plan({ state, definition }: NewStep): Promise<PlannedStep> {
    const { name, needs, onFailure } = state;
    const base = { step: name, needs: [...needs], key: null, other: null, differences: [], units: null };
    if (onFailure) return { ...base, outcome: 'on-failure', reason: 'runs only if another step fails' };
    const skipped = needs.find((need) => this.#skipped.has(need));
    const obstacle = skipped === undefined ? this.#obstacle(definition) : `'${skipped}', which it needs, is skipped`;
    if (obstacle) {
      this.#skipped.add(name);
      return { ...base, outcome: 'skip', reason: obstacle };
    }
    if (definition.approval || definition.wait) {
      const { approval, wait } = definition;
      const awaited = wait && 'event' in wait ? wait.event : 'a time';
      const reason = approval ? 'waits for a person to approve it' : `waits for ${awaited}`;
      return { ...base, outcome: 'wait', reason };
    }
    if (definition.pipeline) return this.#nested(base, definition);
    const unknown = this.#unknown(needs, definition);
    if (!definition.cache) return { ...base, outcome: 'run', reason: 'declares cache: false, so it always runs' };
    if (unknown !== undefined) {
      const reason = `what it reads is known when '${unknown}' has run; if that is as before, it may be cached`;
      return { ...base, outcome: 'depends', reason };
    }
    let inputs: Record<string, Artifact>;
    try {
      inputs = this.#inputs(definition);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      return { ...base, outcome: 'run', reason: `it will fail: ${error.message}` };
    }
    return definition.map ? this.#divided(base, definition, inputs) : this.#single(base, definition, inputs);
  }

  #obstacle({ when }: StepDefinition): string | undefined {
    if (!when) return undefined;
    const { source, path } = sourceOf(when);
    if (source === 'params') return obstacleOf(when, valueAt(this.#run.params, path));
    const product = this.#products.get(source);
    return product && obstacleOf(when, valueAt(product.result, path));
  }

  /** A step that runs first and on whose outputs or result this one depends. */
  #unknown(needs: readonly string[], { inputs, when, map }: StepDefinition): string | undefined {
    const read = Object.values(inputs).flatMap((from) => stepRead(from) ?? []);
    const compared = when ? [sourceOf(when).source] : [];
    const mapped = map && 'result' in map ? [map.result[0]] : [];
    return [...read, ...compared, ...mapped].find((name) => needs.includes(name) && !this.#products.has(name));
  }

  #inputs({ inputs, pinned }: StepDefinition): Record<string, Artifact> {
    const resolved: Record<string, Artifact> = { ...pinned };
    for (const [name, from] of Object.entries(inputs)) {
      const source = parseSource(from);
      const product = this.#products.get(stepRead(from) ?? '');
      const artifact = source?.kind === 'output' ? product?.outputs[source.output] : undefined;
      if (artifact) resolved[name] = artifact;
      if (source?.kind === 'result') resolved[name] = artifactOf(textOfResult(product?.result, source.path, from));
    }
    return resolved;
  }

  /** What lies inside has a plan of its own, in a run of its own for each unit. */
  #nested(base: Omit<PlannedStep, 'outcome' | 'reason'>, { pipeline, map }: StepDefinition): PlannedStep {
    const runs = `runs pipeline '${pipeline?.name}', which has a plan of its own`;
    if (!map) return { ...base, outcome: 'run', reason: runs };
    const source = 'result' in map ? map.result[0] : undefined;
    const result = source === undefined ? undefined : this.#products.get(source)?.result;
    if (source !== undefined && result === undefined) {
      return { ...base, outcome: 'run', reason: `${runs}, once for each item that '${source}' returns` };
    }
    try {
      const units = { all: itemsOf(map, result).length, cached: 0 };
      return { ...base, outcome: 'run', reason: `${runs}, ${units.all} times`, units };
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      return { ...base, outcome: 'run', reason: `it will fail: ${error.message}` };
    }
  }

  async #single(
    base: Omit<PlannedStep, 'outcome' | 'reason'>,
    definition: StepDefinition,
    inputs: Readonly<Record<string, Artifact>>,
  ): Promise<PlannedStep> {
    const { code, seed, pipeline, run } = this.#run;
    const ingredients = ingredientsOf({ definition, inputs, code, seed });
    const key = cacheKeyOf(ingredients);
    const hit = await findCacheEntry(this.#tx.db, key, freshSince(definition, this.#tx.now));
    if (hit) {
      this.#products.set(base.step, { outputs: hit.outputs, result: hit.result });
      const reason = `step '${hit.step}' of run ${hit.run} did this work`;
      return { ...base, outcome: 'cached', reason, key, other: hit.run };
    }
    const of = { pipeline, step: base.step, run, keyedAt: this.#tx.now };
    const earlier = await earlierKeys(this.#tx.db, of, EARLIER_MAX);
    const { text, other, differences } = explainMiss(
      { run, step: base.step, key, ingredients, keyedAt: of.keyedAt },
      earlier,
      definition,
    );
    return { ...base, outcome: 'run', reason: text, key, other: other?.run ?? null, differences };
  }

  async #divided(
    base: Omit<PlannedStep, 'outcome' | 'reason'>,
    definition: StepDefinition,
    inputs: Readonly<Record<string, Artifact>>,
  ): Promise<PlannedStep> {
    const { map, when: _when, ...shared } = definition;
    if (!map) return { ...base, outcome: 'run', reason: '' };
    let items: readonly Json[];
    try {
      items = itemsOf(map, 'result' in map ? this.#products.get(map.result[0])?.result : undefined);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      return { ...base, outcome: 'run', reason: `it will fail: ${error.message}` };
    }
    const { code, seed } = this.#run;
    const keys = items.map((item, index) => {
      const unit = { ...shared, params: unitParams(shared.params, item, index) };
      return cacheKeyOf(ingredientsOf({ definition: unit, inputs, code, seed }));
    });
    const known = await findCacheEntries(this.#tx.db, keys, freshSince(shared, this.#tx.now));
    const entries = keys.map((key) => known.get(key));
    const cached = entries.filter((entry) => entry !== undefined).length;
    const units = { all: items.length, cached };
    if (cached < items.length) {
      return { ...base, outcome: 'run', reason: `${cached} of its ${items.length} units are cached`, units };
    }
    const outputs = Object.fromEntries(
      definition.outputs.map(outputName).map((output) => {
        const blobs = entries.flatMap((entry, index) => {
          const made = entry?.outputs[output];
          return made ? [listed(unitName(base.step, index), made)] : [];
        });
        return [output, listOf(blobs).artifact];
      }),
    );
    this.#products.set(base.step, { outputs, result: entries.map((entry) => entry?.result ?? null) });
    return { ...base, outcome: 'cached', reason: `all its ${items.length} units are cached`, units };
  }
}
