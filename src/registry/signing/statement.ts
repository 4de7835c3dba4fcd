import { createHash } from 'node:crypto';
import { z } from 'zod';
import { signingErrors } from './errors.ts';
import { SIGNATURE_FILE } from './format.ts';
import { type Part, partOf } from './part.ts';

export const PAYLOAD_TYPE = 'application/vnd.in-toto+json';
const STATEMENT_TYPE = 'https://in-toto.io/Statement/v1';
const PREDICATE_TYPE = 'https://model_signing/signature/v1.0';

/** What the reference implementation leaves out of a folder unless told otherwise. */
export const IGNORED_PATHS: readonly string[] = ['.git', '.gitattributes', '.github', '.gitignore'];

export const RESOURCES_MAX = 50_000;

/** Algorithms of files, by the names of the format, and what node:crypto calls them. */
const HASHES = { sha256: 'sha256', blake2b: 'blake2b512' } as const;
export type HashType = keyof typeof HASHES;

/** A file, or a part of one, with its digest. */
export interface Resource extends Part {
  readonly digest: string;
}

/** What a signature covers, checked: names are safe and distinct, and the root digest is that of the resources. */
export interface Manifest {
  /** The name of the folder when it was signed; for people only. */
  readonly name: string;
  /** SHA-256 over the digests of the resources, in the order of the statement; hexadecimal. */
  readonly root: string;
  readonly hash: HashType;
  /** Bytes of a part where files were cut up; undefined where they were hashed whole. */
  readonly shardBytes: number | undefined;
  readonly allowSymlinks: boolean;
  readonly ignoredPaths: readonly string[];
  readonly resources: readonly Resource[];
}

const hex = z.string().regex(/^(?:[0-9a-f]{2}){1,64}$/, 'expected hexadecimal digits in lower case');

const resource = z.object({
  name: z.string().max(4_096),
  algorithm: z.string().max(100),
  digest: hex,
});

const serialization = z.object({
  method: z.enum(['files', 'shards']),
  hash_type: z.string().max(100),
  allow_symlinks: z.boolean().default(false),
  shard_size: z.number().int().min(1).max(Number.MAX_SAFE_INTEGER).optional(),
  ignore_paths: z.array(z.string().max(4_096)).max(1_000).default([]),
});

/** Other fields of the predicate are ignored, as version 1.0 of the format asks of verifiers. */
const statement = z.object({
  _type: z.literal(STATEMENT_TYPE),
  subject: z
    .array(z.object({ name: z.string().max(4_096).default(''), digest: z.object({ sha256: hex }) }))
    .length(1, 'expected exactly one subject'),
  predicateType: z.literal(PREDICATE_TYPE),
  predicate: z.object({ serialization, resources: z.array(resource).min(1).max(RESOURCES_MAX) }),
});

/**
 * The statement over a folder of whole files, as the text that is signed; what belongs to git, and the signature file,
 * are left out. Digests are SHA-256 in hexadecimal.
 */
export function statementOf(
  name: string,
  files: readonly { readonly path: string; readonly sha256: string }[],
): string {
  const ignored = [...IGNORED_PATHS, SIGNATURE_FILE];
  const signed = files.filter(
    (file) => !ignored.some((path) => file.path === path || file.path.startsWith(`${path}/`)),
  );
  const sorted = signed.sort((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)));
  return JSON.stringify({
    _type: STATEMENT_TYPE,
    subject: [{ name, digest: { sha256: rootOf(sorted.map((file) => file.sha256)) } }],
    predicateType: PREDICATE_TYPE,
    predicate: {
      serialization: {
        method: 'files',
        hash_type: 'sha256',
        allow_symlinks: false,
        ignore_paths: ignored,
      },
      resources: sorted.map((file) => ({ name: file.path, algorithm: 'sha256', digest: file.sha256 })),
    },
  });
}

/**
 * Reads the payload of a signature. It says nothing about who signed. Errors: `signing/invalid-statement`, which names
 * the field or the file.
 */
export function parseStatement(payload: Uint8Array): Manifest {
  const parsed = statement.safeParse(jsonOf(payload));
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw refused(`statement.${issue?.path.join('.')}: ${issue?.message}`);
  }
  const { subject, predicate } = parsed.data;
  const { serialization: how, resources } = predicate;
  const hash = hashTypeOf(how.hash_type);
  const shardBytes = how.method === 'shards' ? how.shard_size : undefined;
  if (how.method === 'shards' && shardBytes === undefined) {
    throw refused('statement.predicate.serialization.shard_size: expected the bytes of a shard');
  }
  const algorithms = new Set([how.hash_type, `${how.hash_type}-sharded-${shardBytes}`]);
  for (const { name, algorithm } of resources) {
    if (!algorithms.has(algorithm)) throw refused(`resource '${name}': algorithm ${algorithm} is not ${how.hash_type}`);
  }
  const root = rootOf(resources.map((one) => one.digest));
  const claimed = subject[0]?.digest.sha256;
  if (claimed !== root) {
    throw refused(`the manifest is inconsistent: its root digest is ${claimed}, that of its resources is ${root}`);
  }
  return {
    name: subject[0]?.name ?? '',
    root,
    hash,
    shardBytes,
    allowSymlinks: how.allow_symlinks,
    ignoredPaths: how.ignore_paths,
    resources: partsOf(resources, shardBytes),
  };
}

export function hasherOf(hash: HashType) {
  return createHash(HASHES[hash]);
}

function partsOf(resources: readonly z.output<typeof resource>[], shardBytes: number | undefined): Resource[] {
  const seen = new Set<string>();
  return resources.map(({ name, digest }) => {
    if (seen.has(name)) throw refused(`resource '${name}' is listed twice`);
    seen.add(name);
    return { ...partOf(name, shardBytes), digest };
  });
}

/** SHA-256 over the raw digests, one after the other. */
function rootOf(digests: readonly string[]): string {
  const root = createHash('sha256');
  for (const digest of digests) root.update(digest, 'hex');
  return root.digest('hex');
}

function hashTypeOf(name: string): HashType {
  if (name === 'sha256' || name === 'blake2b') return name;
  if (name === 'blake2') return 'blake2b';
  throw refused(`hash type '${name.slice(0, 100)}' is not supported; supported are sha256 and blake2b`);
}

function jsonOf(payload: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(payload));
  } catch {
    throw refused('the payload is not JSON in UTF-8');
  }
}

function refused(detail: string) {
  return signingErrors['invalid-statement'](detail);
}
