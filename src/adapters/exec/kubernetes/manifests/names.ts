import { digestOf } from '#core/hash';

export const LABELS = {
  managedBy: 'app.kubernetes.io/managed-by',
  component: 'app.kubernetes.io/component',
  /** Who started it, and looks after it: the name of a worker. */
  owner: 'kedge.dev/owner',
  /** The name of the Job, on its pods and Secrets too. */
  execution: 'kedge.dev/execution',
  queue: 'kueue.x-k8s.io/queue-name',
} as const;

export const ANNOTATIONS = {
  /** The id of the execution in full. */
  id: 'kedge.dev/execution-id',
  /** Made anew by each start: tells a create whose answer was lost from an earlier execution of the same id. */
  start: 'kedge.dev/start',
} as const;

/** The longest name of a Job whose pods get names that are DNS labels (63), with `-12345` behind it. */
const NAME_LENGTH_MAX = 52;
const HASH_LENGTH = 12;

/** The name of an object that stands for `id`: readable, a DNS label, and the same for the same id. */
export function objectName(id: string, prefix = 'kedge'): string {
  const slug = id
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .slice(0, NAME_LENGTH_MAX - prefix.length - HASH_LENGTH - 2)
    .replaceAll(/^-|-$/g, '');
  return [prefix, slug, shortHash(id)].filter((part) => part !== '').join('-');
}

/** A label value that stands for `text`: itself where Kubernetes admits it, otherwise as much of it, and a hash. */
export function labelValue(text: string): string {
  if (/^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/.test(text)) return text;
  const start = text.replaceAll(/[^A-Za-z0-9._-]+/g, '-').replace(/^[^A-Za-z0-9]+/, '');
  return `${start.slice(0, 63 - HASH_LENGTH - 1)}${start ? '-' : ''}${shortHash(text)}`;
}

function shortHash(text: string): string {
  return digestOf(text).slice('sha256:'.length, 'sha256:'.length + HASH_LENGTH);
}
