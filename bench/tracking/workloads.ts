import { NOW } from './fill.ts';
import type { MlflowRest } from './rest.ts';

/** A server that is filled with runs. */
export interface Target {
  readonly name: string;
  readonly rest: MlflowRest;
  readonly experiment: string;
}

export interface Workload {
  readonly what: string;
  readonly unit: 'ms' | 'per second';
  readonly rounds: number;
  /** One figure of one server. */
  measure(target: Target, round: number): Promise<number>;
}

export interface WorkloadOptions {
  readonly seconds: number;
  readonly clients: number;
}

export function workloads(options: WorkloadOptions): Workload[] {
  return [...searches(), ...batches(options), ...singles(options), ...creates(options), ...histories()];
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const begun = performance.now();
  await work();
  return performance.now() - begun;
}

/** How many units all clients get done a second. What a server refuses, as one that is overrun does, is none. */
async function rate({ seconds, clients }: WorkloadOptions, work: (client: number) => Promise<number>): Promise<number> {
  const begun = performance.now();
  const until = begun + seconds * 1_000;
  let done = 0;
  const refusals: string[] = [];
  const client = async (index: number): Promise<void> => {
    while (performance.now() < until) {
      const more = await work(index).catch((error: Error) => {
        refusals.push(error.message);
        return 0;
      });
      done += more;
    }
  };
  await Promise.all(Array.from({ length: clients }, (_, index) => client(index)));
  if (refusals.length > 0) console.log(`${refusals.length} requests were refused: ${refusals[0]}`);
  return (done / (performance.now() - begun)) * 1_000;
}

function searches(): Workload[] {
  const search = (what: string, rounds: number, asked: { filter: string; order: string; max: number }): Workload => ({
    what: `runs/search ${what}`,
    unit: 'ms',
    rounds,
    measure: ({ rest, experiment }, round) =>
      timed(() =>
        rest.post('runs/search', {
          experiment_ids: [experiment],
          filter: asked.filter.replace('{p}', `v${round % 10}`).replace('{x}', String((round % 9) / 10)),
          order_by: asked.order === '' ? [] : [asked.order],
          max_results: asked.max,
        }),
      ),
  });
  const filter = "metrics.m0 > {x} AND params.p0 = '{p}'";
  const order = 'metrics.m0 DESC';
  return [
    search('metric and param, by metric, 100 runs', 9, { filter, order, max: 100 }),
    search('metric and param, by metric, 1,000 runs', 3, { filter, order, max: 1_000 }),
    search('metric and param, by start, 100 runs', 3, { filter, order: '', max: 100 }),
    search('param, by metric, 100 runs', 3, { filter: "params.p0 = '{p}'", order: 'metrics.m0 ASC', max: 100 }),
    search('that finds nothing', 3, { filter: "metrics.m0 > {x} AND params.p0 = 'x'", order, max: 100 }),
    search('all, by start, 100 runs', 3, { filter: '', order: '', max: 100 }),
  ];
}

async function newRun({ rest, experiment }: Target): Promise<string> {
  const made = await rest.post('runs/create', { experiment_id: experiment, start_time: NOW });
  return (made['run'] as { info: { run_id: string } }).info.run_id;
}

/** What is made once for each server, before its first round. */
function oncePer<T>(make: (target: Target) => Promise<T>): (target: Target) => Promise<T> {
  const made = new Map<Target, Promise<T>>();
  return (target) => {
    const known = made.get(target) ?? make(target);
    made.set(target, known);
    return known;
  };
}

/** A run for each client, and a count that goes up over all rounds so that no point is logged twice. */
const runsOf = (clients: number) =>
  oncePer(async (target) => ({
    runs: await Promise.all(Array.from({ length: clients }, () => newRun(target))),
    next: 0,
  }));

function batches(options: WorkloadOptions): Workload[] {
  const points = (i: number, keys: number, size: number) =>
    Array.from({ length: size }, (_, j) => ({
      key: `b${j % keys}`,
      value: j / 7,
      timestamp: NOW + i,
      step: i * size + j,
    }));
  const batch = (what: string, keys: number): Workload => {
    const made = runsOf(1);
    return {
      what: `runs/log-batch ${what}`,
      unit: 'ms',
      rounds: 15,
      async measure(target) {
        const state = await made(target);
        const metrics = points(state.next++, keys, 500);
        return timed(() => target.rest.post('runs/log-batch', { run_id: state.runs[0], metrics }));
      },
    };
  };
  const made = runsOf(options.clients);
  return [
    batch('500 metrics', 500),
    batch('500 points of 10 metrics', 10),
    {
      what: `points by runs/log-batch of 1,000, ${options.clients} clients`,
      unit: 'per second',
      rounds: 3,
      async measure(target) {
        const state = await made(target);
        return rate(options, async (client) => {
          const metrics = points(state.next++, 10, 1_000);
          await target.rest.post('runs/log-batch', { run_id: state.runs[client], metrics });
          return 1_000;
        });
      },
    },
  ];
}

function singles(options: WorkloadOptions): Workload[] {
  const made = runsOf(options.clients);
  const metric = async (target: Target, client: number): Promise<void> => {
    const state = await made(target);
    const i = state.next++;
    const body = { run_id: state.runs[client], key: 'loss', value: 1 / (i + 1), timestamp: NOW + i, step: i };
    await target.rest.post('runs/log-metric', body);
  };
  return [
    {
      what: 'runs/log-metric, one client',
      unit: 'ms',
      rounds: 15,
      async measure(target) {
        await made(target);
        return timed(() => metric(target, 0));
      },
    },
    {
      what: `runs/log-metric, ${options.clients} clients`,
      unit: 'per second',
      rounds: 3,
      async measure(target) {
        await made(target);
        return rate(options, async (client) => {
          await metric(target, client);
          return 1;
        });
      },
    },
  ];
}

function creates(options: WorkloadOptions): Workload[] {
  return [
    {
      what: 'runs/create, one client',
      unit: 'ms',
      rounds: 15,
      measure: (target) => timed(() => newRun(target)),
    },
    {
      what: `runs/create, ${options.clients} clients`,
      unit: 'per second',
      rounds: 3,
      measure: (target) =>
        rate(options, async () => {
          await newRun(target);
          return 1;
        }),
    },
  ];
}

/** 100,000 points of one metric, read by pages. */
function histories(): Workload[] {
  const written = oncePer(async (target) => {
    const run = await newRun(target);
    for (let i = 0; i < 100; i++) {
      const metrics = Array.from({ length: 1_000 }, (_, j) => {
        const step = i * 1_000 + j;
        return { key: 'loss', value: Math.sin(step), timestamp: NOW + step, step };
      });
      await target.rest.post('runs/log-batch', { run_id: run, metrics });
    }
    return run;
  });
  const read = (size: number): Workload => ({
    what: `metrics/get-history, 100,000 points by pages of ${size.toLocaleString('en')}`,
    unit: 'ms',
    rounds: 3,
    async measure(target) {
      const run = await written(target);
      return timed(() => readAll(target.rest, run, size));
    },
  });
  return [
    read(1_000),
    read(25_000),
    {
      what: 'metrics/get-history-bulk-interval, 100,000 points to 320',
      unit: 'ms',
      rounds: 5,
      async measure(target) {
        const run_ids = await written(target);
        const query = { run_ids, metric_key: 'loss', max_results: '320' };
        return timed(() => target.rest.get('metrics/get-history-bulk-interval', query));
      },
    },
  ];
}

async function readAll(rest: MlflowRest, run: string, size: number): Promise<void> {
  let points = 0;
  let token = '';
  do {
    const page = await rest.get('metrics/get-history', {
      ...{ run_id: run, metric_key: 'loss', max_results: String(size) },
      ...(token === '' ? {} : { page_token: token }),
    });
    points += (page['metrics'] as unknown[]).length;
    token = String(page['next_page_token'] ?? '');
  } while (token !== '');
  if (points !== 100_000) throw new Error(`${points} points of 100,000 came back`);
}
