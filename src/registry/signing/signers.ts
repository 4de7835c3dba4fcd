import type { Context } from '#platform/db';
import type { DomainDeps } from '#platform/domain';
import { readCertificates, subjectOf } from './certificates.ts';
import { type SignerDraft, signerDraft, type TrustedSigner } from './contract.ts';
import { signingErrors } from './errors.ts';
import { readPublicKey } from './keys.ts';
import * as store from './store.ts';
import { fingerprintOf, type Trust } from './verify.ts';

const SIGNERS_MAX = 200;

/** Whose signatures this registry trusts. A name and a key are given once: what was revoked does not come back. */
export class Signers {
  readonly #deps: Pick<DomainDeps, 'db'>;

  constructor(deps: Pick<DomainDeps, 'db'>) {
    this.#deps = deps;
  }

  list(): Promise<TrustedSigner[]> {
    return store.listSigners(this.#deps.db.reader);
  }

  /** Errors: `signing/invalid-key`, `signing/signer-exists`, `signing/limit`. */
  async add(context: Context, draft: SignerDraft): Promise<TrustedSigner> {
    const { name, kind, pem } = signerDraft.parse(draft);
    const read = kind === 'key' ? keyOf(pem) : authorityOf(pem);
    return this.#deps.db.transact(context, async (tx) => {
      const known = await store.listSigners(tx.db);
      if (known.length >= SIGNERS_MAX) throw signingErrors.limit(`a registry has at most ${SIGNERS_MAX} signers`);
      const same = known.find((one) => one.name === name || one.fingerprint === read.fingerprint);
      if (same) {
        const state = same.revokedAt === null ? 'is trusted already' : 'was revoked, and stays so';
        throw signingErrors['signer-exists'](`'${same.name}' with fingerprint ${same.fingerprint} ${state}`);
      }
      const added = { addedAt: tx.now, addedBy: context.actor.id, revokedAt: null, revokedBy: null };
      const signer: TrustedSigner = { name, kind, ...read, ...added };
      await store.insertSigner(tx.db, signer);
      tx.audit(subjectOfSigner(name), { kind, fingerprint: signer.fingerprint, subject: signer.subject });
      return signer;
    });
  }

  /** Again, it changes nothing. Errors: `signing/signer-not-found`. */
  async revoke(context: Context, name: string, reason: string): Promise<TrustedSigner> {
    return this.#deps.db.react(context, async (tx) => {
      const known = (await store.listSigners(tx.db)).find((signer) => signer.name === name);
      if (!known) throw signingErrors['signer-not-found'](`there is no signer named '${name}'`);
      if (known.revokedAt !== null) return known;
      const revoked = { revokedAt: tx.now, revokedBy: context.actor.id };
      await store.revokeSigner(tx.db, name, revoked);
      tx.audit(subjectOfSigner(name), { revoked: true, reason: reason.slice(0, 200), fingerprint: known.fingerprint });
      return { ...known, ...revoked };
    });
  }
}

const subjectOfSigner = (name: string): string => `model-signer/${name}`;

/** The keys and authorities of those that are not revoked. */
export function trustIn(signers: readonly TrustedSigner[]): Trust {
  const trusted = signers.filter((signer) => signer.revokedAt === null);
  return {
    keys: trusted.filter((signer) => signer.kind === 'key').map((signer) => readPublicKey(signer.pem)),
    authorities: trusted.filter((one) => one.kind === 'authority').flatMap((signer) => readCertificates(signer.pem)),
  };
}

function keyOf(pem: string) {
  const { algorithm, hint, key } = readPublicKey(pem);
  return { pem: key.export({ type: 'spki', format: 'pem' }).toString(), fingerprint: hint, algorithm, subject: null };
}

function authorityOf(pem: string) {
  const [certificate, ...others] = readCertificates(pem);
  if (!certificate || others.length > 0) {
    throw signingErrors['invalid-key'](`expected the one certificate of the authority, found ${others.length + 1}`);
  }
  const fingerprint = fingerprintOf(certificate);
  const { asymmetricKeyType } = certificate.x509.publicKey;
  return {
    pem: certificate.x509.toString(),
    fingerprint,
    algorithm: asymmetricKeyType?.toUpperCase() ?? '',
    subject: subjectOf(certificate),
  };
}
