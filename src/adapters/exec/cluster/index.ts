export type {
  Cluster,
  ClusterJob,
  EndCause,
  FoundJob,
  JobState,
} from './cluster.ts';
export { type ClusterExecutorOptions, openClusterExecutor } from './executor.ts';
export { tokenIn } from './http.ts';
export { openRay, type RayOptions } from './ray.ts';
export { openSlurm, type SlurmOptions } from './slurm.ts';
