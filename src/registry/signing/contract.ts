import { z } from 'zod';
import { contract, nameSchema, route } from '#platform/contract';
import { digestSchema } from '#tracking/contract';
import { modelNameSchema, reason, versionNumber } from '../shapes.ts';
import { BUNDLE_BYTES_MAX, BUNDLE_MEDIA_TYPE } from './format.ts';

const byVersion = z.object({ model: modelNameSchema, version: versionNumber });
const bySigner = z.object({ signer: nameSchema });

/** What is trusted: a public key, or a certificate authority whose certificates say who signs. */
const signerKind = z.enum(['key', 'authority']);

export const signerDraft = z.strictObject({
  name: nameSchema,
  kind: signerKind,
  /** A public key, or the certificate of the authority. */
  pem: z.string().min(1).max(20_000),
});
export type SignerDraft = z.output<typeof signerDraft>;

const signerView = signerDraft.extend({
  /** SHA-256 of the key's PEM text, as bundles name their key; of an authority, of its certificate in DER. */
  fingerprint: z.string(),
  algorithm: z.string(),
  /** Of the certificate. */
  subject: z.string().nullable(),
  addedAt: z.number(),
  addedBy: z.string(),
  revokedAt: z.number().nullable(),
  revokedBy: z.string().nullable(),
});
export type TrustedSigner = z.output<typeof signerView>;

/** The data of evidence of kind `signature`. */
export const signatureData = z.object({
  summary: z.string(),
  /** The name of the trusted signer that the signature leads to. */
  signer: z.string(),
  kind: z.enum(['key', 'certificate']),
  algorithm: z.string(),
  hint: z.string(),
  subject: z.string().nullable(),
  trustedBy: z.string(),
  /** Names what was signed: SHA-256 over the digests of its files. */
  root: z.string(),
  files: z.number().int(),
  /** The signature file in the blob store, byte for byte as it was sent. */
  bundle: z.object({ digest: digestSchema, bytes: z.number().int() }),
});
export type SignatureData = z.output<typeof signatureData>;

const signatureView = signatureData.extend({ evidence: z.string(), by: z.string(), at: z.number() });
export type VersionSignature = z.output<typeof signatureView>;

/** A path when a file is the problem, else empty: then the signature itself is. */
const problem = z.object({ file: z.string(), message: z.string() });

const verification = z.object({
  /** Whether a signature of a signer who is still trusted covers every file of the version as it is stored now. */
  verified: z.boolean(),
  signatures: z.array(signatureView.extend({ verified: z.boolean(), problems: z.array(problem) })),
});
export type Verification = z.output<typeof verification>;

export const signingContract = contract({
  signVersion: route({
    method: 'POST',
    path: '/api/v1/models/:model/versions/:version/signatures',
    summary:
      'Attach a signature (the file model.sig) to a version. It must be of a trusted signer and cover every file',
    permission: 'registry:write',
    params: byVersion,
    object: 'model/:model',
    upload: [BUNDLE_MEDIA_TYPE],
    bodyBytesMax: BUNDLE_BYTES_MAX,
    reply: signatureView,
    errors: [
      'signing/invalid-bundle',
      'signing/invalid-statement',
      'signing/bad-signature',
      'signing/untrusted-signer',
      'signing/mismatch',
      'registry/version-not-found',
      'registry/version-deleted',
      'registry/limit',
    ],
    audit: 'model-version.sign',
  }),
  listSignatures: route({
    method: 'GET',
    path: '/api/v1/models/:model/versions/:version/signatures',
    summary: 'List the signatures of a version, oldest first. The file of each is at /api/v1/blobs/<bundle digest>',
    permission: 'registry:read',
    params: byVersion,
    object: 'model/:model',
    reply: z.object({ items: z.array(signatureView) }),
    errors: ['registry/version-not-found'],
  }),
  verifyVersion: route({
    method: 'GET',
    path: '/api/v1/models/:model/versions/:version/verification',
    summary: 'Verify every signature of a version again, with the signers that are trusted now and its files read anew',
    permission: 'registry:read',
    params: byVersion,
    object: 'model/:model',
    reply: verification,
    errors: ['registry/version-not-found'],
  }),
  listSigners: route({
    method: 'GET',
    path: '/api/v1/model-signers',
    summary: 'List the signers that are trusted, and those that were',
    permission: 'registry:read',
    reply: z.object({ items: z.array(signerView) }),
  }),
  addSigner: route({
    method: 'POST',
    path: '/api/v1/model-signers',
    summary: 'Trust the signatures of a key, or of whomever a certificate authority certifies',
    permission: 'registry:govern',
    body: signerDraft,
    reply: signerView,
    errors: ['signing/invalid-key', 'signing/signer-exists', 'signing/limit'],
    audit: 'model-signer.add',
  }),
  revokeSigner: route({
    method: 'DELETE',
    path: '/api/v1/model-signers/:signer',
    summary: 'Trust a signer no longer. Its signatures stay, and verify no more; its key is not accepted again',
    permission: 'registry:govern',
    params: bySigner,
    query: z.object({ reason: reason.default('') }),
    reply: signerView,
    errors: ['signing/signer-not-found'],
    audit: 'model-signer.revoke',
  }),
});
