import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  hash,
  type KeyObject,
  sign,
  verify,
} from 'node:crypto';
import { auditErrors } from '../errors.ts';

/** Signed notes with Ed25519 keys (c2sp.org/signed-note). Keys are written as Go's `sumdb/note` writes them. */

const ED25519 = 1;
const KEY_BYTES = 32;
const NOTE_BYTES_MAX = 1_000_000;
// What precedes the 32 bytes of an Ed25519 key in its DER forms (RFC 8410).
const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex');
const SPKI = Buffer.from('302a300506032b6570032100', 'hex');

export interface NoteVerifier {
  readonly name: string;
  /** Eight hexadecimal digits. */
  readonly keyId: string;
  /** `<name>+<key id>+<base64 of type and key>`. */
  readonly text: string;
  verify(text: string, signature: Uint8Array): boolean;
}

export interface NoteSigner {
  readonly verifier: NoteVerifier;
  /** The text with its signature line. It has to end with a newline. */
  sign(text: string): string;
  /** The same key under a longer name, whose signatures are told from those under this one. */
  below(name: string): NoteSigner;
}

/** A new private key as text: `PRIVATE+KEY+<name>+<key id>+<base64 of type and seed>`. */
export function generateNoteKey(name: string): string {
  requireName(name);
  const { privateKey } = generateKeyPairSync('ed25519');
  const seed = privateKey.export({ type: 'pkcs8', format: 'der' }).subarray(PKCS8.length);
  return `PRIVATE+KEY+${name}+${keyIdOf(name, publicBytes(privateKey))}+${typed(seed).toString('base64')}`;
}

/** Errors: `audit/key`. */
export function noteSigner(text: string): NoteSigner {
  const [label, key, name = '', keyId, encoded = ''] = text.split('+', 4).concat(rest(text, 4));
  const seed = keyBytes(encoded);
  if (label !== 'PRIVATE' || key !== 'KEY') throw auditErrors.key('this is not a private note key');
  const privateKey = createPrivateKey({ key: Buffer.concat([PKCS8, seed]), format: 'der', type: 'pkcs8' });
  const signer = signerOf(name, privateKey);
  if (signer.verifier.keyId !== keyId) {
    throw auditErrors.key(`the key of '${name}' does not have the id that it claims`);
  }
  return signer;
}

function signerOf(name: string, privateKey: KeyObject): NoteSigner {
  const verifier = verifierOf(name, publicBytes(privateKey));
  return {
    verifier,
    sign(body) {
      const signature = Buffer.concat([Buffer.from(verifier.keyId, 'hex'), sign(null, Buffer.from(body), privateKey)]);
      return `${body}\n— ${name} ${signature.toString('base64')}\n`;
    },
    below: (suffix) => signerOf(`${name}/${suffix}`, privateKey),
  };
}

/** Reads a verifier key. Errors: `audit/key`. */
export function noteVerifier(text: string): NoteVerifier {
  const [name = '', keyId, encoded = ''] = text.split('+', 2).concat(rest(text, 2));
  const verifier = verifierOf(name, keyBytes(encoded));
  if (verifier.keyId !== keyId) throw auditErrors.key(`the key of '${name}' does not have the id that it claims`);
  return verifier;
}

/** Everything after the first `count` parts, because base64 may hold the separator. */
function rest(text: string, count: number): string {
  return text.split('+').slice(count).join('+');
}

function verifierOf(name: string, bytes: Buffer): NoteVerifier {
  requireName(name);
  const publicKey = createPublicKey({ key: Buffer.concat([SPKI, bytes]), format: 'der', type: 'spki' });
  const keyId = keyIdOf(name, bytes);
  return {
    name,
    keyId,
    text: `${name}+${keyId}+${typed(bytes).toString('base64')}`,
    verify: (text, signature) => verify(null, Buffer.from(text), publicKey, signature),
  };
}

/** The text of a note that `verifier` vouches for. Errors: `audit/note`. */
export function openNote(note: string, verifier: NoteVerifier): string {
  if (Buffer.byteLength(note) > NOTE_BYTES_MAX)
    throw auditErrors.note(`the note is larger than ${NOTE_BYTES_MAX} bytes`);
  const split = note.lastIndexOf('\n\n');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: those are what a note may not contain.
  if (split < 0 || !note.endsWith('\n') || /[\x00-\x09\x0b-\x1f]/.test(note)) {
    throw auditErrors.note('this is not a signed note');
  }
  const text = note.slice(0, split + 1);
  let vouched = false;
  for (const line of note.slice(split + 2, -1).split('\n')) {
    const [, name, encoded = ''] = /^— ([^\s+]+) ([A-Za-z0-9+/]+={0,2})$/.exec(line) ?? [];
    const bytes = strictBase64(encoded);
    if (name === undefined || bytes === undefined || bytes.length < 5) {
      throw auditErrors.note(`a signature line of the note is malformed: ${line.slice(0, 100)}`);
    }
    if (name !== verifier.name || bytes.toString('hex', 0, 4) !== verifier.keyId) continue;
    if (!verifier.verify(text, bytes.subarray(4))) throw auditErrors.note(`the signature of ${name} does not verify`);
    vouched = true;
  }
  if (!vouched) throw auditErrors.note(`the note has no signature of ${verifier.name}+${verifier.keyId}`);
  return text;
}

/** Base64 in its one canonical form, or `undefined`: two texts for the same bytes would let a changed byte pass. */
export function strictBase64(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : undefined;
}

function keyBytes(encoded: string): Buffer {
  const bytes = strictBase64(encoded);
  if (bytes?.length !== 1 + KEY_BYTES || bytes[0] !== ED25519) throw auditErrors.key('this is not an Ed25519 note key');
  return bytes.subarray(1);
}

function requireName(name: string): void {
  if (name === '' || /[\s+]/u.test(name)) throw auditErrors.key(`'${name}' is no name of a note key`);
}

function typed(bytes: Uint8Array): Buffer {
  return Buffer.concat([Buffer.of(ED25519), bytes]);
}

function keyIdOf(name: string, publicKey: Uint8Array): string {
  return hash('sha256', Buffer.concat([Buffer.from(`${name}\n`), typed(publicKey)]), 'hex').slice(0, 8);
}

function publicBytes(privateKey: KeyObject): Buffer {
  return createPublicKey(privateKey).export({ type: 'spki', format: 'der' }).subarray(SPKI.length);
}
