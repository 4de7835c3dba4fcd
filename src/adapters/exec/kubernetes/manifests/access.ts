import type { Manifest } from './objects.ts';

/** What a worker may do in a namespace, and nothing besides: the account to give it, its role, and that it has it. */
export function accessManifests({ namespace, name = 'kedge-worker' }: AccessOptions): readonly Manifest[] {
  const metadata = { name, namespace };
  const group = 'rbac.authorization.k8s.io';
  return [
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata },
    withFields({ apiVersion: `${group}/v1`, kind: 'Role', metadata }, { rules: RULES }),
    withFields(
      { apiVersion: `${group}/v1`, kind: 'RoleBinding', metadata },
      {
        subjects: [{ kind: 'ServiceAccount', name, namespace }],
        roleRef: { apiGroup: group, kind: 'Role', name },
      },
    ),
  ];
}

export interface AccessOptions {
  readonly namespace: string;
  /** `kedge-worker` by default. */
  readonly name?: string;
}

const RULES = [
  { apiGroups: ['batch'], resources: ['jobs'], verbs: ['create', 'get', 'list', 'watch', 'delete'] },
  { apiGroups: [''], resources: ['pods'], verbs: ['list', 'watch', 'delete'] },
  { apiGroups: [''], resources: ['pods/log'], verbs: ['get'] },
  { apiGroups: [''], resources: ['secrets'], verbs: ['create', 'get'] },
];

function withFields<Fields extends object>(manifest: Manifest, fields: Fields): Manifest & Fields {
  return { ...manifest, ...fields };
}
