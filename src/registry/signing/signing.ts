import type { DomainParts } from '#platform/domain';
import { signingHandlers } from './handlers.ts';
import { type SigningDeps, SigningService } from './service.ts';

export { parseBundle } from './bundle.ts';
export { readCertificates } from './certificates.ts';
export type { SignerDraft, TrustedSigner, Verification, VersionSignature } from './contract.ts';
export { signingErrors } from './errors.ts';
export { type FileProblem, folderFiles, type ModelFiles, problemsOf } from './files.ts';
export { BUNDLE_MEDIA_TYPE, SIGNATURE_FILE } from './format.ts';
export { readPrivateKey, readPublicKey } from './keys.ts';
export { signingMigrations } from './migrations.ts';
export { type Signer, signStatement } from './sign.ts';
export { parseStatement, statementOf } from './statement.ts';
export { verifyBundle } from './verify.ts';

export type Signing = SigningService & { readonly parts: DomainParts };

/** Model signing: who is trusted, the signatures of versions, and whether they verify. */
export function createSigning(deps: SigningDeps): Signing {
  const service = new SigningService(deps);
  const parts: DomainParts = { routes: [signingHandlers(service)], consumers: [], jobs: [] };
  return Object.assign(service, { parts });
}
