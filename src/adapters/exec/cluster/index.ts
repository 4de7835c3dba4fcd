export type {
  Cluster,
  ClusterJob,
  EndCause,
  FoundJob,
  JobState,
} from './cluster.ts';
export { type ClusterExecutorOptions, openClusterExecutor } from './executor.ts';
export { tokenIn } from './http.ts';
export { openSlurm, type SlurmOptions } from './slurm.ts';
