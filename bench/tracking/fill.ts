import type { MlflowRest } from './rest.ts';

export const NOW = 1_700_000_000_000;
const KEYS = Array.from({ length: 10 }, (_, i) => i);

/** The value of metric `m<k>` of the i-th run, spread evenly over [0, 1). `fill-mlflow.py` has the same. */
const metricOf = (i: number, k: number): number => (Math.imul(i * 10 + k, 2_654_435_761) >>> 0) / 2 ** 32;

/** Runs of 10 metrics and of 10 params of ten values each, through the protocol by 20 clients. */
export async function fill(rest: MlflowRest, experiment: string, runs: number): Promise<void> {
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < runs) {
      const i = next++;
      const made = await rest.post('runs/create', {
        experiment_id: experiment,
        start_time: NOW + i,
        run_name: `run-${i}`,
      });
      const { run_id } = (made['run'] as { info: { run_id: string } }).info;
      await rest.post('runs/log-batch', {
        run_id,
        metrics: KEYS.map((k) => ({ key: `m${k}`, value: metricOf(i, k), timestamp: NOW, step: 0 })),
        params: KEYS.map((k) => ({ key: `p${k}`, value: `v${(i + k) % 10}` })),
      });
    }
  };
  await Promise.all(Array.from({ length: 20 }, work));
}
