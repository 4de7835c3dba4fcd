/**
 * Distributed training on Kubernetes: two nodes, each with two processes. Prints the Service and the Job.
 *
 *   node examples/distributed/training.ts | kubectl apply -f -
 */
import { torchrunManifests } from 'kedge/kubernetes';

const items = torchrunManifests({
  name: 'digits',
  namespace: 'training',
  pod: {
    // An image with PyTorch, scikit-learn and this folder in /train.
    image: 'registry.example/digits:1',
    user: 1000,
    group: 1000,
    folders: [{ path: '/checkpoints', claim: 'checkpoints' }],
  },
  script: ['/train/train.py', '--epochs', '20'],
  nodes: 2,
  processesPerNode: 2,
  resources: { cpu: 2, memoryGiB: 4 },
  checkpoints: '/checkpoints/digits',
  wallMs: 60 * 60 * 1000,
});

process.stdout.write(`${JSON.stringify({ apiVersion: 'v1', kind: 'List', items }, null, 2)}\n`);
