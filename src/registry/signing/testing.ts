import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';

/** A certificate with its key, made for a test. */
export interface TestCertificate {
  readonly name: string;
  readonly pem: string;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

export interface CertificateOptions {
  /** Who issues it; itself if left out. */
  readonly issuer?: TestCertificate;
  readonly isAuthority?: boolean;
  readonly maySign?: boolean;
  readonly pathLength?: number;
  readonly from?: string;
  readonly to?: string;
  readonly criticalExtension?: string;
}

/** Makes an X.509 certificate on P-256, encoded by hand so that tests can also make certificates that nobody issues. */
export function makeCertificate(name: string, options: CertificateOptions = {}): TestCertificate {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const { issuer = { name, privateKey }, from = '2026-01-01T00:00:00Z', to = '2046-01-01T00:00:00Z' } = options;
  const ecdsaWithSha256 = sequence(oid('1.2.840.10045.4.3.2'));
  const content = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, Buffer.from([1, name.length])),
    ecdsaWithSha256,
    nameOf(issuer.name),
    sequence(time(from), time(to)),
    nameOf(name),
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(...extensionsOf(options))),
  );
  const signature = sign('sha256', content, issuer.privateKey);
  const whole = sequence(content, ecdsaWithSha256, der(0x03, Buffer.concat([Buffer.from([0]), signature])));
  const lines = whole.toString('base64').match(/.{1,64}/g) ?? [];
  const pem = ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n');
  return { name, pem, privateKey, publicKey };
}

/** A root, an authority below it, and the certificate of a signer. */
export function makeChain() {
  const root = makeCertificate('Test Root', { isAuthority: true });
  const issuing = makeCertificate('Test Issuing', { issuer: root, isAuthority: true, pathLength: 0 });
  const leaf = makeCertificate('Model Team', { issuer: issuing, maySign: true });
  return { root, issuing, leaf };
}

export const pemOf = (key: KeyObject): string =>
  key.export({ type: key.type === 'private' ? 'pkcs8' : 'spki', format: 'pem' }).toString();

function extensionsOf({ isAuthority, maySign, pathLength, criticalExtension }: CertificateOptions): Buffer[] {
  const isTrue = der(0x01, Buffer.from([0xff]));
  const critical = (id: string, value: Buffer) => sequence(oid(id), isTrue, der(0x04, value));
  const limit = pathLength === undefined ? [] : [der(0x02, Buffer.from([pathLength]))];
  const usage = (bits: number, unused: number) => critical('2.5.29.15', der(0x03, Buffer.from([unused, bits])));
  return [
    critical('2.5.29.19', sequence(...(isAuthority ? [isTrue, ...limit] : []))),
    ...(isAuthority ? [usage(0x04, 2)] : []),
    ...(maySign ? [usage(0x80, 7)] : []),
    ...(criticalExtension ? [critical(criticalExtension, der(0x05, Buffer.alloc(0)))] : []),
  ];
}

function nameOf(commonName: string): Buffer {
  return sequence(der(0x31, sequence(oid('2.5.4.3'), der(0x0c, Buffer.from(commonName)))));
}

/** Times as RFC 5280 wants them: two digits of the year until 2049. */
function time(iso: string): Buffer {
  return der(0x17, Buffer.from(iso.replace(/[-:T]/g, '').slice(2)));
}

function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  const bytes = [first * 40 + second];
  for (const number of rest) {
    const digits = [number % 128];
    for (let left = Math.floor(number / 128); left > 0; left = Math.floor(left / 128))
      digits.unshift(128 + (left % 128));
    bytes.push(...digits);
  }
  return der(0x06, Buffer.from(bytes));
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return der(0x30, Buffer.concat(parts));
}

function der(tag: number, content: Buffer): Buffer {
  const { length } = content;
  const head = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255];
  return Buffer.concat([Buffer.from([tag, ...head]), content]);
}
