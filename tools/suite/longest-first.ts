/**
 * The files that take longest, the longest first: started last, one of them would run alone for minutes at the end. The
 * closing report of the suite names the slowest of a run, for the day on which they are others.
 */
export const longFiles: readonly string[] = [
  'test/crash/demo.test.ts',
  'src/adapters/exec/cluster/ray.test.ts',
  'sim/sim.test.ts',
  'test/protocol/mlflow/import.test.ts',
  'src/apps/worker/executors.test.ts',
  'sim/mutations/mutations.test.ts',
  'test/protocol/mlflow/tracking.test.ts',
  'examples/gate/example.test.ts',
  'src/adapters/exec/cluster/slurm.test.ts',
  'examples/sklearn/example.test.ts',
  'src/adapters/exec/cluster/cluster.test.ts',
  'test/crash/kill.test.ts',
  'test/crash/pipelines.test.ts',
  'src/apps/worker/crash.test.ts',
  'src/apps/worker/predict-step.test.ts',
];

/** The files of {@link longFiles} in their order, then the others in the order in which they come. */
export function longestFirst(files: readonly string[]): string[] {
  const long = longFiles.filter((file) => files.includes(file));
  return [...long, ...files.filter((file) => !long.includes(file))];
}
