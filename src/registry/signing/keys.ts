import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import { messageOf } from '#core/errors';
import { signingErrors } from './errors.ts';

/** The hash of each curve that the format has. Ed25519 hashes by itself. */
const CURVES: Readonly<Record<string, { readonly algorithm: string; readonly hash: string }>> = {
  prime256v1: { algorithm: 'ECDSA P-256', hash: 'sha256' },
  secp384r1: { algorithm: 'ECDSA P-384', hash: 'sha384' },
  secp521r1: { algorithm: 'ECDSA P-521', hash: 'sha512' },
};

/** A key that signatures are checked with. */
export interface VerifyingKey {
  /** Such as `ECDSA P-256` or `Ed25519`. */
  readonly algorithm: string;
  /** SHA-256 of the key's PEM text in its normal form, as bundles name their key; hexadecimal. */
  readonly hint: string;
  readonly key: KeyObject;
}

/**
 * Reads a private key in PEM: ECDSA on P-256, P-384 or P-521, which every implementation of the format verifies, or
 * Ed25519, which the Sigstore bundle has and the reference implementation of model signing does not. Errors:
 * `signing/invalid-key`.
 */
export function readPrivateKey(pem: string, passphrase?: string): VerifyingKey & { readonly privateKey: KeyObject } {
  const privateKey = readKey(() => createPrivateKey({ key: pem, format: 'pem', ...(passphrase && { passphrase }) }));
  return { ...verifyingKey(createPublicKey(privateKey)), privateKey };
}

/** Reads a public key in PEM. Errors: `signing/invalid-key`. */
export function readPublicKey(pem: string): VerifyingKey {
  if (/PRIVATE KEY/.test(pem)) throw signingErrors['invalid-key']('expected a public key, found a private one');
  return verifyingKey(readKey(() => createPublicKey({ key: pem, format: 'pem' })));
}

export function verifyingKey(key: KeyObject): VerifyingKey {
  const pem = key.export({ type: 'spki', format: 'pem' });
  return { algorithm: algorithmOf(key).algorithm, hint: createHash('sha256').update(pem).digest('hex'), key };
}

/** ECDSA signatures are in DER. */
export function signBytes(key: KeyObject, content: Uint8Array): Buffer {
  return sign(algorithmOf(key).hash, content, key);
}

export function isSignedBy({ key }: VerifyingKey, content: Uint8Array, signature: Uint8Array): boolean {
  return verify(algorithmOf(key).hash, content, key, signature);
}

function algorithmOf(key: KeyObject): { readonly algorithm: string; readonly hash: string | null } {
  if (key.asymmetricKeyType === 'ed25519') return { algorithm: 'Ed25519', hash: null };
  const curve = key.asymmetricKeyDetails?.namedCurve ?? '';
  const known = key.asymmetricKeyType === 'ec' && Object.hasOwn(CURVES, curve) ? CURVES[curve] : undefined;
  if (known) return known;
  const found = [key.asymmetricKeyType, curve].filter(Boolean).join(' ');
  throw signingErrors['invalid-key'](`expected a key on P-256, P-384 or P-521, or an Ed25519 key; found ${found}`);
}

function readKey(read: () => KeyObject): KeyObject {
  try {
    return read();
  } catch (error) {
    throw signingErrors['invalid-key'](`the key cannot be read as PEM: ${messageOf(error)}`);
  }
}
