import { defineErrors } from '#core/errors';

export const signingErrors = defineErrors('signing', {
  'invalid-key': { status: 400, title: 'The key or certificate cannot be used' },
  'invalid-bundle': { status: 400, title: 'Not a signature bundle of OpenSSF Model Signing' },
  'invalid-statement': { status: 400, title: 'What was signed is not a statement of OpenSSF Model Signing' },
  'invalid-folder': { status: 400, title: 'The folder cannot be signed or verified' },
  'bad-signature': { status: 400, title: 'The signature does not fit what it is said to sign' },
  mismatch: { status: 409, title: 'The files are not those that were signed' },
  'untrusted-signer': { status: 403, title: 'The signer is none that this registry trusts' },
  'signer-exists': { status: 409, title: 'There is a signer of this name, or with this key' },
  'signer-not-found': { status: 404, title: 'No such signer' },
  limit: { status: 409, title: 'The registry holds as much of this as it may' },
});
