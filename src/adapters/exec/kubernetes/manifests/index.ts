/** Manifests of Kubernetes as plain objects: for `kubectl apply`, a Helm chart, or an API client of your own. */
export { type AccessOptions, accessManifests } from './access.ts';
export type { PodOptions, Resources, SharedFolder } from './pod.ts';
export { type TorchrunOptions, torchrunManifests } from './torchrun.ts';
export { type WorkerJobOptions, type WorkerPoolOptions, workerDeployment, workerJob } from './worker-pool.ts';
