import type { Context, Tx } from '#platform/db';
import { endpointSubject } from '../change.ts';
import type { RecordedRequest, RecordedTensor, ServingDeps } from '../deps.ts';
import { servingErrors } from '../errors.ts';
import { isDatatype } from '../gateway/tensors/datatypes.ts';
import { requireEndpoint } from '../start.ts';
import { GOLDEN_MAX, type GoldenRequest, type GoldenTensor, type GoldenView } from './golden-request.ts';
import { deleteGolden, listGolden, saveGolden } from './store.ts';

/** A prediction was recorded with datatypes of the protocol. */
function goldenOf(tensors: readonly RecordedTensor[]): GoldenTensor[] {
  return tensors.flatMap(({ name, datatype, shape, data }) =>
    isDatatype(datatype) ? [{ name, datatype, shape: [...shape], data: [...data] }] : [],
  );
}

function goldenFrom({ id, at, tensors, ...rest }: RecordedRequest): GoldenView {
  return {
    ...rest,
    inputs: { ...rest.inputs },
    ...(tensors ? { tensors: { inputs: goldenOf(tensors.inputs), outputs: goldenOf(tensors.outputs) } } : {}),
    name: `recorded-${id.replace(/[^\w.:@-]/g, '_')}`.slice(0, 200),
    source: 'records',
    recordedAt: at,
  };
}

/** Requests that a model is warmed with. */
const EXAMPLES_MAX = 32;

/** The golden requests of endpoints: what a new revision has to answer as recorded before it gets traffic. */
export class GoldenRequests {
  readonly #deps: ServingDeps;

  constructor(deps: ServingDeps) {
    this.#deps = deps;
  }

  /** By name. Errors: `serving/not-found`. */
  async list(endpoint: string): Promise<GoldenView[]> {
    const { reader } = this.#deps.db;
    await requireEndpoint(reader, endpoint);
    return listGolden(reader, endpoint);
  }

  /** Records what a person wrote. Errors: `serving/not-found`, `serving/golden-full`. */
  async add(context: Context, endpoint: string, requests: readonly GoldenRequest[]): Promise<GoldenView[]> {
    await this.#save(context, endpoint, (now) =>
      requests.map((request) => ({ ...request, source: 'hand', revision: null, recordedAt: now })),
    );
    return this.list(endpoint);
  }

  /**
   * Takes `count` of the newest predictions that the current revision answered, at equal distances, so that one busy
   * moment does not make them all. Of tensors those
   * that were recorded whole. Errors: `serving/not-found`, `serving/no-records`, `serving/golden-full`.
   */
  async sample(context: Context, endpoint: string, count: number): Promise<GoldenView[]> {
    const { spec, current } = await requireEndpoint(this.#deps.db.reader, endpoint);
    const recorded = current ? await this.#deps.recorded?.(endpoint, `${spec.model}@${current.version}`) : undefined;
    if (!recorded || recorded.length === 0) {
      throw servingErrors['no-records'](`no prediction of the current revision of '${endpoint}' is recorded`);
    }
    const taken = Math.min(count, recorded.length);
    await this.#save(context, endpoint, () =>
      Array.from({ length: taken }, (_, i) =>
        goldenFrom(recorded[Math.floor((i * recorded.length) / taken)] as RecordedRequest),
      ),
    );
    return this.list(endpoint);
  }

  /**
   * Requests as the endpoint gets them, for models to be warmed with: its golden ones, and after them the newest that
   * are recorded of its current revision. Errors: `serving/not-found`.
   */
  async examples(endpoint: string): Promise<GoldenRequest[]> {
    const { spec, current } = await requireEndpoint(this.#deps.db.reader, endpoint);
    const golden = (await this.list(endpoint)).slice(0, EXAMPLES_MAX);
    const missing = EXAMPLES_MAX - golden.length;
    const recorded =
      current && missing > 0
        ? await this.#deps.recorded?.(endpoint, `${spec.model}@${current.version}`, missing)
        : undefined;
    const found = [...golden, ...(recorded ?? []).slice(0, missing).map(goldenFrom)];
    return found.map(({ name, inputs, expected, tensors }) => ({
      ...{ name, inputs, expected },
      ...(tensors ? { tensors } : {}),
    }));
  }

  async remove(context: Context, endpoint: string, name: string): Promise<GoldenView[]> {
    await this.#deps.db.transact(context, async (tx) => {
      await requireEndpoint(tx.db, endpoint);
      await deleteGolden(tx.db, endpoint, name);
      tx.audit(endpointSubject(endpoint), { golden: name });
    });
    return this.list(endpoint);
  }

  async #save(context: Context, endpoint: string, make: (now: Tx['now']) => readonly GoldenView[]): Promise<void> {
    await this.#deps.db.transact(context, async (tx) => {
      await requireEndpoint(tx.db, endpoint);
      const added = make(tx.now);
      for (const one of added) await saveGolden(tx.db, endpoint, one);
      const { length } = await listGolden(tx.db, endpoint);
      if (length > GOLDEN_MAX) {
        throw servingErrors['golden-full'](
          `'${endpoint}' would have ${length} golden requests, at most ${GOLDEN_MAX} fit`,
        );
      }
      tx.audit(endpointSubject(endpoint), { golden: added.map(({ name }) => name) });
    });
  }
}
