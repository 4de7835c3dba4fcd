import { X509Certificate } from 'node:crypto';
import { X509Certificate as ParsedCertificate } from '@sigstore/core';
import { messageOf } from '#core/errors';
import { signingErrors } from './errors.ts';

const CODE_SIGNING = '1.3.6.1.5.5.7.3.3';
const CERTIFICATES_MAX = 20;

/** Basic constraints, key usage, extended key usage, and the identifiers of keys: what is checked here or by Node. */
const UNDERSTOOD = new Set(['2.5.29.19', '2.5.29.15', '2.5.29.37', '2.5.29.14', '2.5.29.35', '2.5.29.17']);

/** A certificate with what node:crypto does not tell of it. */
export interface Certificate {
  readonly x509: X509Certificate;
  readonly parsed: ParsedCertificate;
}

/** Reads one certificate in DER. Errors: `signing/invalid-key`. */
export function readCertificate(der: Buffer): Certificate {
  try {
    return { x509: new X509Certificate(der), parsed: ParsedCertificate.parse(Buffer.from(der)) };
  } catch (error) {
    throw refused(`the certificate cannot be read: ${messageOf(error)}`);
  }
}

/** Reads the certificates of a PEM file, in its order. Errors: `signing/invalid-key`. */
export function readCertificates(pem: string): Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  if (blocks.length === 0 || blocks.length > CERTIFICATES_MAX) {
    throw refused(`expected 1 to ${CERTIFICATES_MAX} certificates in PEM, found ${blocks.length}`);
  }
  return blocks.map((block) => readCertificate(Buffer.from(block.replace(/-----[A-Z ]+-----/g, ''), 'base64')));
}

/** The root that a chain leads to, and every certificate from the signer's to that root. */
export interface VerifiedChain {
  readonly path: readonly Certificate[];
  readonly authority: Certificate;
}

/**
 * Finds the way from the first certificate, the signer's, through the others to one of `authorities`, and checks each
 * step as RFC 5280 §6.1 does: names, signature, validity, and that the issuer is a certificate authority. Time is that
 * at which the signer's certificate began to be valid, as in the reference implementation, because a bundle carries no
 * trusted time of its signature; and also `at`, where the verifier knows one. The signer's certificate must be for
 * digital signatures or for signing code. Errors: `signing/untrusted-signer`.
 */
export function verifyChain(
  chain: readonly Certificate[],
  authorities: readonly Certificate[],
  at?: number,
): VerifiedChain {
  const [leaf, ...others] = chain;
  if (!leaf) throw untrusted('the bundle has no certificate');
  const times = [leaf.x509.validFromDate, ...(at === undefined ? [] : [new Date(at)])];
  const path = pathToAuthority(leaf, others, authorities);
  for (const [index, certificate] of path.entries()) checkCertificate(certificate, { index, path, times });
  const mayCertify = leaf.parsed.extKeyUsage?.digitalSignature || leaf.x509.keyUsage?.includes(CODE_SIGNING);
  if (!mayCertify) throw untrusted(`${subjectOf(leaf)} is neither for digital signatures nor for signing code`);
  return { path, authority: path.at(-1) as Certificate };
}

export function subjectOf(certificate: Certificate): string {
  return certificate.x509.subject?.replaceAll('\n', ', ') || `certificate ${certificate.x509.serialNumber}`;
}

/** The shortest way, by breadth: at most as many steps as there are certificates. */
function pathToAuthority(
  leaf: Certificate,
  others: readonly Certificate[],
  authorities: readonly Certificate[],
): readonly Certificate[] {
  const isAuthority = (one: Certificate) => authorities.some((root) => root.x509.raw.equals(one.x509.raw));
  const seen = new Set<Certificate>([leaf]);
  let paths: (readonly Certificate[])[] = [[leaf]];
  while (paths.length > 0) {
    const next: (readonly Certificate[])[] = [];
    for (const path of paths) {
      const last = path.at(-1) as Certificate;
      if (isAuthority(last)) return path;
      for (const issuer of [...authorities, ...others]) {
        if (seen.has(issuer) || !isIssuedBy(last, issuer)) continue;
        seen.add(issuer);
        next.push([...path, issuer]);
      }
    }
    paths = next;
  }
  throw untrusted(`the certificate of ${subjectOf(leaf)} does not lead to an authority that is trusted`);
}

function isIssuedBy(certificate: Certificate, issuer: Certificate): boolean {
  return certificate.x509.checkIssued(issuer.x509) && certificate.x509.verify(issuer.x509.publicKey);
}

function checkCertificate(
  certificate: Certificate,
  of: { readonly index: number; readonly path: readonly Certificate[]; readonly times: readonly Date[] },
): void {
  const { x509, parsed } = certificate;
  const outside = of.times.find((time) => time < x509.validFromDate || time > x509.validToDate);
  if (outside) throw untrusted(`${subjectOf(certificate)} is not valid at ${outside.toISOString()}`);
  const unknown = parsed.extensions
    .map((extension) => parsed.extension(extension.subs[0]?.toOID() ?? ''))
    .find((extension) => extension?.critical && !UNDERSTOOD.has(extension.oid));
  if (unknown) throw untrusted(`${subjectOf(certificate)} has the critical extension ${unknown.oid}, which is unknown`);
  if (of.index === 0) return;
  const usage = parsed.extKeyUsage;
  if (!x509.ca || (usage && !usage.keyCertSign)) {
    throw untrusted(`${subjectOf(certificate)} may not issue certificates`);
  }
  const limit = parsed.extBasicConstraints?.pathLenConstraint;
  if (limit !== undefined && limit < of.index - 1) {
    throw untrusted(`${subjectOf(certificate)} may issue through ${limit} authorities, not ${of.index - 1}`);
  }
}

function untrusted(detail: string) {
  return signingErrors['untrusted-signer'](detail);
}

function refused(detail: string) {
  return signingErrors['invalid-key'](detail);
}
