import { z } from 'zod';
import { signingErrors } from './errors.ts';
import { BUNDLE_BYTES_MAX, BUNDLE_MEDIA_TYPE } from './format.ts';
import { PAYLOAD_TYPE } from './statement.ts';

const CERTIFICATES_MAX = 20;

/** What a bundle brings for finding and checking the key of its signer. */
export type Material =
  | { readonly kind: 'key'; readonly hint: string | undefined }
  | { readonly kind: 'chain'; readonly certificates: readonly Buffer[] }
  /** A short-lived certificate of a Sigstore instance with entries of its transparency log. */
  | { readonly kind: 'keyless'; readonly certificate: Buffer };

/** A signature file, read but not verified. */
export interface Bundle {
  readonly material: Material;
  readonly payload: Buffer;
  readonly signature: Buffer;
}

/** Base64 in its one spelling: what another reader might decode differently is refused. */
const bytes = z.string().transform((text, check) => {
  const decoded = Buffer.from(text, 'base64');
  if (decoded.length > 0 && decoded.toString('base64') === text) return decoded;
  check.addIssue({ code: 'custom', message: 'expected base64 with padding' });
  return z.NEVER;
});
const certificate = z.object({ rawBytes: bytes });

const material = z.object({
  publicKey: z.object({ hint: z.string().max(1_000).optional() }).optional(),
  x509CertificateChain: z.object({ certificates: z.array(certificate).min(1).max(CERTIFICATES_MAX) }).optional(),
  certificate: certificate.optional(),
  tlogEntries: z.array(z.unknown()).max(100).default([]),
});

const bundle = z.object({
  mediaType: z.literal(BUNDLE_MEDIA_TYPE),
  verificationMaterial: material,
  dsseEnvelope: z.object({
    payload: bytes,
    payloadType: z.literal(PAYLOAD_TYPE),
    signatures: z
      .array(z.object({ sig: bytes, keyid: z.string().max(1_000).optional() }))
      .length(1, 'expected exactly one signature'),
  }),
});

/** Reads a signature file. Errors: `signing/invalid-bundle`, which names the field. */
export function parseBundle(file: Uint8Array): Bundle {
  if (file.length > BUNDLE_BYTES_MAX) {
    throw refused(`the bundle has ${file.length} bytes; the limit is ${BUNDLE_BYTES_MAX}`);
  }
  const parsed = bundle.safeParse(jsonOf(file));
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw refused(`${['bundle', ...(issue?.path ?? [])].join('.')}: ${issue?.message}`);
  }
  const { verificationMaterial, dsseEnvelope } = parsed.data;
  const signature = dsseEnvelope.signatures[0]?.sig ?? Buffer.alloc(0);
  return { material: materialOf(verificationMaterial), payload: dsseEnvelope.payload, signature };
}

function materialOf(given: z.output<typeof material>): Material {
  const found: Material[] = [];
  if (given.publicKey) found.push({ kind: 'key', hint: given.publicKey.hint || undefined });
  if (given.x509CertificateChain) {
    found.push({ kind: 'chain', certificates: given.x509CertificateChain.certificates.map((one) => one.rawBytes) });
  }
  if (given.certificate) {
    if (given.tlogEntries.length === 0) {
      throw refused('bundle.verificationMaterial.tlogEntries: expected an entry, as the certificate is short-lived');
    }
    found.push({ kind: 'keyless', certificate: given.certificate.rawBytes });
  }
  const [only] = found;
  if (only && found.length === 1) return only;
  throw refused(
    'bundle.verificationMaterial: expected exactly one of publicKey, x509CertificateChain and certificate, ' +
      `found ${found.length}`,
  );
}

function jsonOf(file: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(file));
  } catch {
    throw refused(`bundle: ${file.length === 0 ? 'the file is empty' : 'expected JSON in UTF-8'}`);
  }
}

function refused(detail: string) {
  return signingErrors['invalid-bundle'](detail);
}
