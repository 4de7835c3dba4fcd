import { dsse } from '@sigstore/core';
import type { Bundle } from './bundle.ts';
import { type Certificate, readCertificate, subjectOf, verifyChain } from './certificates.ts';
import { signingErrors } from './errors.ts';
import { isSignedBy, type VerifyingKey, verifyingKey } from './keys.ts';
import { type Manifest, PAYLOAD_TYPE, parseStatement } from './statement.ts';

/** Whose signatures count. */
export interface Trust {
  readonly keys: readonly VerifyingKey[];
  readonly authorities: readonly Certificate[];
}

/** Who signed, as far as the signature proves it. */
export interface ProvenSigner {
  readonly kind: 'key' | 'certificate';
  readonly algorithm: string;
  /** Names the key: SHA-256 of its PEM text. */
  readonly hint: string;
  /** Of the certificate; null for a bare key. */
  readonly subject: string | null;
  /** SHA-256 fingerprint of the authority's certificate, or the hint of the trusted key: which trust was used. */
  readonly trustedBy: string;
}

/**
 * Verifies a signature and returns what it covers: the key, then the signature, then the statement. The files are
 * checked against the result. `at` is a time at which the signer's certificate must have been valid. Errors:
 * `signing/untrusted-signer`, `signing/bad-signature`, `signing/invalid-key`, `signing/invalid-statement`.
 */
export function verifyBundle(
  bundle: Bundle,
  trust: Trust,
  at?: number,
): { readonly manifest: Manifest; readonly signer: ProvenSigner } {
  const content = dsse.preAuthEncoding(PAYLOAD_TYPE, bundle.payload);
  const signer = signerOf(bundle, trust, { content, at });
  return { manifest: parseStatement(bundle.payload), signer };
}

function signerOf(
  { material, signature }: Bundle,
  trust: Trust,
  { content, at }: { readonly content: Buffer; readonly at: number | undefined },
): ProvenSigner {
  if (material.kind === 'keyless') {
    throw signingErrors['untrusted-signer'](
      'the bundle is signed through a Sigstore instance; only keys and certificate authorities are trusted here',
    );
  }
  if (material.kind === 'key') {
    const key = trust.keys.find((one) =>
      material.hint ? one.hint === material.hint : isSignedBy(one, content, signature),
    );
    if (!key) {
      throw signingErrors['untrusted-signer'](`the key ${material.hint ?? 'of the signature'} is none that is trusted`);
    }
    requireSignature(key, content, signature);
    return { kind: 'key', algorithm: key.algorithm, hint: key.hint, subject: null, trustedBy: key.hint };
  }
  const { path, authority } = verifyChain(material.certificates.map(readCertificate), trust.authorities, at);
  const leaf = path[0] as Certificate;
  const key = verifyingKey(leaf.x509.publicKey);
  requireSignature(key, content, signature);
  const trustedBy = fingerprintOf(authority);
  return { kind: 'certificate', algorithm: key.algorithm, hint: key.hint, subject: subjectOf(leaf), trustedBy };
}

/** SHA-256 of the certificate, in lower-case hexadecimal. */
export function fingerprintOf({ x509 }: Certificate): string {
  return x509.fingerprint256.replaceAll(':', '').toLowerCase();
}

function requireSignature(key: VerifyingKey, content: Buffer, signature: Buffer): void {
  if (isSignedBy(key, content, signature)) return;
  throw signingErrors['bad-signature'](`the signature is not one of key ${key.hint} over this statement`);
}
