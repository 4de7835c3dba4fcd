import { KedgeError } from '#core/errors';
import type { Context, Database } from '#platform/db';
import type { DomainDeps } from '#platform/domain';
import type { BlobStore } from '#ports/blob-store';
import { appendEvidence } from '../evidence.ts';
import { requireLive, requireVersion } from '../require.ts';
import type { Evidence, ModelVersion } from '../shapes.ts';
import { listEvidence } from '../store/evidence.ts';
import type { VersionKey } from '../store/tables.ts';
import { parseBundle } from './bundle.ts';
import {
  type SignatureData,
  signatureData,
  type TrustedSigner,
  type Verification,
  type VersionSignature,
} from './contract.ts';
import { signingErrors } from './errors.ts';
import { type FileProblem, type ModelFiles, problemsOf } from './files.ts';
import { BUNDLE_BYTES_MAX } from './format.ts';
import { Signers, trustIn } from './signers.ts';
import type { Manifest } from './statement.ts';
import { listSigners } from './store.ts';
import { type ProvenSigner, verifyBundle } from './verify.ts';

export interface SigningDeps extends Pick<DomainDeps, 'db' | 'system'> {
  readonly blobs: BlobStore;
}

export const SIGNATURE_EVIDENCE = 'signature';

/** A signer may leave out of a signature only what attests to the model, and what belongs to git. */
const mayBeUnsigned = (path: string): boolean => /\.(sig|sigstore|sigstore\.json)$/.test(path);
const PROBLEMS_TOLD_MAX = 100;

/** Signatures of versions: evidence of kind `signature`, whose file is in the blob store. */
export class SigningService {
  readonly signers: Signers;
  readonly #db: Database;
  readonly #deps: SigningDeps;

  constructor(deps: SigningDeps) {
    this.signers = new Signers(deps);
    this.#db = deps.db;
    this.#deps = deps;
  }

  /**
   * Attaches a signature file to a version, if it is of a trusted signer and covers every file of the version as it is
   * stored; the files are read for that. Errors: `signing/invalid-bundle`, `signing/invalid-statement`,
   * `signing/bad-signature`, `signing/untrusted-signer`, and `signing/mismatch`, which names the files.
   */
  async sign(context: Context, key: VersionKey, file: Uint8Array): Promise<VersionSignature> {
    const version = await requireLive(this.#db.reader, key);
    const bundle = parseBundle(file);
    const trusted = await this.signers.list();
    const { manifest, signer } = verifyBundle(bundle, trustIn(trusted), this.#deps.system.clock.now());
    const problems = await this.#problemsOf(version, manifest);
    if (problems.length > 0) {
      const told = problems.slice(0, 5).map((problem) => problem.message);
      const rest = problems.length > 5 ? `, and ${problems.length - 5} more` : '';
      throw signingErrors.mismatch(
        `the signature is not of version ${key.version} of '${key.model}': ${told.join('; ')}${rest}`,
        problems.slice(0, PROBLEMS_TOLD_MAX).map(({ file: path, message }) => ({ path, message })),
      );
    }
    const stored = await this.#deps.blobs.put(file);
    const evidence = await this.#db.react(context, async (tx) => {
      await requireLive(tx.db, key);
      const name = nameOfTrusted(await listSigners(tx.db), signer);
      const data = dataOf(name, signer, { manifest, stored });
      const id = this.#deps.system.ids.next('ev');
      const draft = { id, kind: SIGNATURE_EVIDENCE, passed: true, data, by: context.actor.id };
      return appendEvidence(tx, key, draft, { unlessKnown: true });
    });
    return viewOf(evidence);
  }

  /** Oldest first. */
  async signatures(key: VersionKey): Promise<VersionSignature[]> {
    await requireVersion(this.#db.reader, key);
    return (await listEvidence(this.#db.reader, key, SIGNATURE_EVIDENCE)).filter(isSignature).map(viewOf);
  }

  /** Verifies every signature of a version again, with the signers that are trusted now and the files read anew. */
  async verify(key: VersionKey): Promise<Verification> {
    const version = await requireVersion(this.#db.reader, key);
    const trusted = await this.signers.list();
    const signatures: Verification['signatures'] = [];
    for (const signature of await this.signatures(key)) {
      const problems = await this.#problemsWith(version, signature, trusted);
      signatures.push({
        ...signature,
        verified: problems.length === 0,
        problems: problems.slice(0, PROBLEMS_TOLD_MAX),
      });
    }
    return { verified: signatures.some((signature) => signature.verified), signatures };
  }

  async #problemsWith(
    version: ModelVersion,
    { bundle, at }: VersionSignature,
    trusted: readonly TrustedSigner[],
  ): Promise<FileProblem[]> {
    try {
      const file = await this.#deps.blobs.read(bundle.digest, { bytesMax: BUNDLE_BYTES_MAX });
      const { manifest } = verifyBundle(parseBundle(file), trustIn(trusted), at);
      return await this.#problemsOf(version, manifest);
    } catch (error) {
      if (error instanceof KedgeError) return [{ file: '', message: `${error.title}: ${error.message}` }];
      throw error;
    }
  }

  #problemsOf(version: ModelVersion, manifest: Manifest): Promise<FileProblem[]> {
    const { blobs } = this.#deps;
    const artifacts = new Map(version.artifacts.map((artifact) => [artifact.path, artifact]));
    const files: ModelFiles = {
      list: async () => version.artifacts.map(({ path, bytes }) => ({ path, bytes })),
      async read(path, range) {
        const artifact = artifacts.get(path);
        if (!artifact) throw signingErrors.mismatch(`'${path}' is not in the version`);
        return blobs.get(artifact.digest, range);
      },
    };
    return problemsOf(manifest, files, { mayIgnore: mayBeUnsigned });
  }
}

/** The signer may have been revoked while the files were read. */
function nameOfTrusted(signers: readonly TrustedSigner[], { trustedBy }: ProvenSigner): string {
  const found = signers.find((one) => one.fingerprint === trustedBy && one.revokedAt === null);
  if (found) return found.name;
  throw signingErrors['untrusted-signer'](`the signer with fingerprint ${trustedBy} was revoked just now`);
}

function dataOf(
  name: string,
  signer: ProvenSigner,
  of: { readonly manifest: Manifest; readonly stored: SignatureData['bundle'] },
): SignatureData {
  const who = signer.subject === null ? name : `${signer.subject}, certified by ${name}`;
  const files = new Set(of.manifest.resources.map((resource) => resource.path)).size;
  const summary = `${files} files signed by ${who} (${signer.algorithm}, key ${signer.hint.slice(0, 16)})`;
  const { digest, bytes } = of.stored;
  return { summary, signer: name, ...signer, root: of.manifest.root, files, bundle: { digest, bytes } };
}

const isSignature = (evidence: Evidence): boolean => signatureData.safeParse(evidence.data).success;

function viewOf(evidence: Evidence): VersionSignature {
  return { ...signatureData.parse(evidence.data), evidence: evidence.id, by: evidence.by, at: evidence.at };
}
