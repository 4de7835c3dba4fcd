/** An approver's key while a page has it. The private half stays within the browser's own cryptography. */
export interface ApprovalKey {
  /** The digest of the public key's SubjectPublicKeyInfo, which is its name on the platform. */
  readonly id: string;
  /** As PEM, to be enrolled. */
  readonly publicKey: string;
  /** Ed25519 over the text's UTF-8 bytes, in base64. */
  readonly sign: (text: string) => Promise<string>;
}

/** What precedes the 32 bytes of an Ed25519 public key in its SubjectPublicKeyInfo (RFC 8410, section 4). */
const SPKI_PREFIX = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
const FILE_CHARS_MAX = 10_000;
const LABEL = 'PRIVATE KEY-----';
const ENVELOPE = new RegExp(`-----BEGIN ${LABEL}([\\sA-Za-z0-9+/=]+)-----END ${LABEL}`);

/** Browsers sign only on pages that came by HTTPS or from this machine. */
export function canSign(): boolean {
  return globalThis.isSecureContext && globalThis.crypto?.subtle !== undefined;
}

/**
 * Reads an Ed25519 private key as `openssl genpkey -algorithm ed25519` writes it (PKCS #8, PEM, without a password).
 * Throws an error that says what is wrong with the file.
 */
export async function readApprovalKey(pem: string): Promise<ApprovalKey> {
  const body = ENVELOPE.exec(pem)?.[1];
  if (pem.length > FILE_CHARS_MAX || body === undefined) {
    throw new Error('expected a private key as PEM without a password (BEGIN PRIVATE KEY)');
  }
  const { subtle } = crypto;
  const der = bytesOf(body);
  // Taken in twice: once to learn the public half, once so that nothing on the page can take the private half out.
  const open = await subtle.importKey('pkcs8', der, 'Ed25519', true, ['sign']).catch(() => {
    throw new Error('expected an Ed25519 private key, or this browser does not know Ed25519');
  });
  const { x = '' } = await subtle.exportKey('jwk', open);
  const key = await subtle.importKey('pkcs8', der, 'Ed25519', false, ['sign']);
  const spki = Uint8Array.from([...SPKI_PREFIX, ...bytesOf(x.replaceAll('-', '+').replaceAll('_', '/'))]);
  const digest = new Uint8Array(await subtle.digest('SHA-256', spki));
  return {
    id: `sha256:${[...digest].map((byte) => byte.toString(16).padStart(2, '0')).join('')}`,
    publicKey: `-----BEGIN PUBLIC KEY-----\n${base64Of(spki)}\n-----END PUBLIC KEY-----\n`,
    sign: async (text) => base64Of(new Uint8Array(await subtle.sign('Ed25519', key, new TextEncoder().encode(text)))),
  };
}

function bytesOf(base64: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(base64.replaceAll(/\s/g, '')), (char) => char.charCodeAt(0));
}

function base64Of(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes));
}
