import type { KeyObject } from 'node:crypto';
import { dsse } from '@sigstore/core';
import { type Certificate, subjectOf } from './certificates.ts';
import { signingErrors } from './errors.ts';
import { BUNDLE_MEDIA_TYPE } from './format.ts';
import { signBytes, verifyingKey } from './keys.ts';
import { PAYLOAD_TYPE } from './statement.ts';

/** A private key; with certificates (the signer's first, the root may be left out), they say whose key it is. */
export interface Signer {
  readonly privateKey: KeyObject;
  readonly hint: string;
  readonly certificates?: readonly Certificate[];
}

/** Signs a statement: the text of the file `model.sig`. Errors: `signing/invalid-key`. */
export function signStatement(statement: string, signer: Signer): string {
  const payload = Buffer.from(statement);
  const signature = signBytes(signer.privateKey, dsse.preAuthEncoding(PAYLOAD_TYPE, payload));
  return JSON.stringify({
    mediaType: BUNDLE_MEDIA_TYPE,
    verificationMaterial: { ...materialOf(signer), tlogEntries: [] },
    dsseEnvelope: {
      payload: payload.toString('base64'),
      payloadType: PAYLOAD_TYPE,
      signatures: [{ sig: signature.toString('base64'), keyid: '' }],
    },
  });
}

function materialOf({ hint, certificates }: Signer) {
  const [leaf] = certificates ?? [];
  if (!certificates || !leaf) return { publicKey: { hint } };
  if (verifyingKey(leaf.x509.publicKey).hint !== hint) {
    throw signingErrors['invalid-key'](`the certificate of ${subjectOf(leaf)} is not about the private key`);
  }
  const chain = certificates.map(({ x509 }) => ({ rawBytes: x509.raw.toString('base64') }));
  return { x509CertificateChain: { certificates: chain } };
}
