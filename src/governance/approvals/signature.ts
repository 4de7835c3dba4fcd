import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import { messageOf } from '#core/errors';
import { digestOf } from '#core/hash';
import { governanceErrors } from '../errors.ts';
import { type ApprovalStatement, approvalStatement } from './statement.ts';

/** A public key in its one normal form, and its id: the digest of its SubjectPublicKeyInfo (RFC 8410). */
export function readPublicKey(pem: string): { readonly id: string; readonly publicKey: string } {
  let key: KeyObject;
  try {
    key = createPublicKey(pem);
  } catch (error) {
    throw governanceErrors['key-invalid'](`the public key cannot be read: ${messageOf(error)}`);
  }
  if (key.asymmetricKeyType !== 'ed25519' || /PRIVATE KEY/.test(pem)) {
    throw governanceErrors['key-invalid']('expected an Ed25519 public key as PEM (BEGIN PUBLIC KEY)');
  }
  const publicKey = key.export({ type: 'spki', format: 'pem' }).toString();
  return { id: digestOf(key.export({ type: 'spki', format: 'der' })), publicKey };
}

/** Whether the signature (base64) is by this key over the statement. */
export function isSignedBy(publicKey: string, statement: ApprovalStatement, signature: string): boolean {
  const bytes = Buffer.from(approvalStatement(statement), 'utf8');
  return verify(null, bytes, createPublicKey(publicKey), Buffer.from(signature, 'base64'));
}
