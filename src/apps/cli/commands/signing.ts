import { writeFile } from 'node:fs/promises';
import { relative, resolve } from 'node:path';
import type { Command } from 'commander';
import type { Kedge } from '#client';
import { KedgeError, messageOf } from '#core/errors';
import {
  BUNDLE_MEDIA_TYPE,
  type FileProblem,
  folderFiles,
  type ModelFiles,
  parseBundle,
  parseStatement,
  problemsOf,
  readCertificates,
  readPrivateKey,
  readPublicKey,
  SIGNATURE_FILE,
  signStatement,
  statementOf,
  type Verification,
  verifyBundle,
} from '#registry/signing';
import { UsageError } from '../failure.ts';
import { bytesOf, textOf } from '../read-file.ts';
import { formatTable } from '../table.ts';
import { type CommandOptions, connectedInProject, printJson, withKedge } from './connected.ts';
import { contentOf } from './content.ts';
import { versionNamed } from './version-name.ts';

type VersionFiles = Awaited<ReturnType<Kedge['registry']['getVersion']>>;

/** The group `kedge versions`, made if there is none. */
export function versionsGroup(program: Command): Command {
  const known = program.commands.find((command) => command.name() === 'versions');
  return known ?? program.command('versions').description('list, judge, move and sign versions of models');
}

export function signingCommands(program: Command): void {
  const versions = versionsGroup(program);
  connectedInProject(
    versions.command('sign <version>').description('sign a version (<model>@<n>) by OpenSSF Model Signing 1.0'),
  )
    .option('--key <file>', 'private key in PEM: ECDSA on P-256, P-384 or P-521, or Ed25519. It stays on this machine')
    .option('--passphrase-file <file>', 'file whose first line opens the key')
    .option('--certificates <file>', 'certificates in PEM that say whose key it is: that of the signer first')
    .option('--signature <file>', 'attach this signature file, which was made before, instead of making one')
    .option('--directory <dir>', 'sign only if this folder holds exactly the files of the version')
    .option('--output <file>', `also write the signature file (${SIGNATURE_FILE})`)
    .action(withKedge((kedge, [version = ''], options) => sign(kedge, version, options)));
  connectedInProject(
    versions.command('verify <version>').description('verify the signatures of a version; exit code 1 if none does'),
  )
    .option('--key <file>', 'verify here with this public key, trusting the control plane with nothing')
    .option('--authority <file>', 'verify here with this certificate authority')
    .option('--directory <dir>', 'verify the files in this folder instead of those that are stored')
    .option('--signature <file>', 'verify this signature file instead of those that are attached')
    .action(withKedge((kedge, [version = ''], options) => verify(kedge, version, options)));
  signerCommands(program);
}

function signerCommands(program: Command): void {
  const signers = program.command('signers').description('whose signatures of models are trusted');
  connectedInProject(signers.command('list', { isDefault: true }).description('list signers')).action(
    withKedge(async (kedge, _, options) => {
      const { items } = await kedge.signing.listSigners();
      if (options.json) return printJson(items);
      const rows = items.map((one) => {
        const state = one.revokedAt === null ? 'trusted' : `revoked by ${one.revokedBy}`;
        return [one.name, one.kind, one.algorithm, one.subject, one.fingerprint.slice(0, 16), state];
      });
      process.stdout.write(`${formatTable(['name', 'kind', 'algorithm', 'subject', 'fingerprint', 'state'], rows)}\n`);
    }),
  );
  connectedInProject(signers.command('add <name>').description('trust a public key or a certificate authority'))
    .option('--key <file>', 'public key in PEM')
    .option('--authority <file>', 'certificate in PEM')
    .action(
      withKedge(async (kedge, [name = ''], options) => {
        const [key, authority] = [fileOption(options, 'key'), fileOption(options, 'authority')];
        if ((key === undefined) === (authority === undefined))
          throw new UsageError('give one of --key and --authority');
        const pem = await textOf(key ?? authority ?? '');
        const body = { name, kind: key === undefined ? ('authority' as const) : ('key' as const), pem };
        const added = await kedge.signing.addSigner({ body });
        if (options.json) return printJson(added);
        process.stdout.write(`${name} is trusted: ${added.algorithm}, fingerprint ${added.fingerprint}\n`);
      }),
    );
  connectedInProject(signers.command('revoke <name>').description('trust a signer no longer'))
    .option('--reason <text>', 'why, for the audit log', '')
    .action(
      withKedge(async (kedge, [name = ''], options) => {
        const query = { reason: String(options['reason']) };
        const revoked = await kedge.signing.revokeSigner({ params: { signer: name }, query });
        if (options.json) return printJson(revoked);
        process.stdout.write(`${name} is trusted no longer; its signatures do not verify any more\n`);
      }),
    );
}

async function sign(kedge: Kedge, name: string, options: CommandOptions): Promise<void> {
  const params = versionNamed(name);
  const file = fileOption(options, 'signature')
    ? await bytesOf(fileOption(options, 'signature') ?? '')
    : Buffer.from(await signatureOf(await kedge.registry.getVersion({ params }), name, options));
  const upload = { contentType: BUNDLE_MEDIA_TYPE, bytes: new Uint8Array(file) };
  const signature = await kedge.signing.signVersion({ params, upload });
  const output = fileOption(options, 'output');
  if (output !== undefined) await writeFile(output, file);
  if (options.json) return printJson(signature);
  process.stdout.write(`${name}: ${signature.summary}\n`);
}

async function signatureOf(version: VersionFiles, name: string, options: CommandOptions): Promise<string> {
  const keyFile = fileOption(options, 'key');
  if (keyFile === undefined) throw new UsageError('give the private key with --key, or a signature with --signature');
  const files = version.artifacts.map(({ path, digest }) => ({ path, sha256: digest.slice('sha256:'.length) }));
  const statement = statementOf(name, files);
  const directory = fileOption(options, 'directory');
  if (directory !== undefined) {
    const problems = await problemsOf(parseStatement(Buffer.from(statement)), folderFiles(directory));
    if (problems.length > 0)
      throw new UsageError(`${directory} is not ${name}, so nothing was signed\n${listed(problems)}`);
  }
  const passphraseFile = fileOption(options, 'passphraseFile');
  const passphrase = passphraseFile === undefined ? undefined : (await textOf(passphraseFile)).split(/\r?\n/)[0];
  const certificateFile = fileOption(options, 'certificates');
  const key = readPrivateKey(await textOf(keyFile), passphrase);
  if (key.algorithm === 'Ed25519') {
    process.stderr.write('note: the reference implementation (model_signing) verifies ECDSA keys only, not Ed25519\n');
  }
  const certificates = certificateFile === undefined ? undefined : readCertificates(await textOf(certificateFile));
  return signStatement(statement, { ...key, ...(certificates ? { certificates } : {}) });
}

async function verify(kedge: Kedge, name: string, options: CommandOptions): Promise<void> {
  const params = versionNamed(name);
  const isLocal = ['key', 'authority', 'directory', 'signature'].some((option) => fileOption(options, option));
  const found: Verification['signatures'] | LocalFinding[] = isLocal
    ? await verifyHere(kedge, params, options)
    : (await kedge.signing.verifyVersion({ params })).signatures;
  const verified = found.some((signature) => signature.verified);
  process.exitCode = verified ? 0 : 1;
  if (options.json) return printJson({ verified, signatures: found });
  for (const { summary, problems, verified: isGood } of found) {
    process.stdout.write(
      `${isGood ? 'good' : 'BAD '}  ${summary}\n${problems.length > 0 ? `${listed(problems)}\n` : ''}`,
    );
  }
  const verdict = found.length === 0 ? 'is not signed' : verified ? 'is verified' : 'is NOT verified';
  process.stdout.write(`${name} ${verdict}\n`);
}

interface LocalFinding {
  readonly summary: string;
  readonly verified: boolean;
  readonly problems: readonly FileProblem[];
}

/** Verifies on this machine: what the control plane says is used only to find the files and the signatures. */
async function verifyHere(
  kedge: Kedge,
  params: { readonly model: string; readonly version: number },
  options: CommandOptions,
): Promise<LocalFinding[]> {
  const [key, authority] = [fileOption(options, 'key'), fileOption(options, 'authority')];
  if (key === undefined && authority === undefined) throw new UsageError('give whom to trust: --key or --authority');
  const trust = {
    keys: key === undefined ? [] : [readPublicKey(await textOf(key))],
    authorities: authority === undefined ? [] : readCertificates(await textOf(authority)),
  };
  const signatureFile = fileOption(options, 'signature');
  const files = await filesFor(kedge, params, { options, signatureFile });
  const bundles =
    signatureFile === undefined
      ? await attachedTo(kedge, params, options)
      : [{ summary: signatureFile, file: await bytesOf(signatureFile) }];
  const findings: LocalFinding[] = [];
  for (const { summary, file } of bundles) {
    const problems = await problemsWith(file, { trust, files });
    findings.push({ summary, verified: problems.length === 0, problems });
  }
  return findings;
}

async function problemsWith(
  file: Uint8Array,
  { trust, files }: { readonly trust: Parameters<typeof verifyBundle>[1]; readonly files: ModelFiles },
): Promise<FileProblem[]> {
  try {
    const { manifest } = verifyBundle(parseBundle(file), trust);
    return await problemsOf(manifest, files, { mayIgnore: (path) => /\.(sig|sigstore|sigstore\.json)$/.test(path) });
  } catch (error) {
    if (error instanceof KedgeError) return [{ file: '', message: messageOf(error) }];
    throw error;
  }
}

async function filesFor(
  kedge: Kedge,
  params: { readonly model: string; readonly version: number },
  of: { readonly options: CommandOptions; readonly signatureFile: string | undefined },
): Promise<ModelFiles> {
  const directory = fileOption(of.options, 'directory');
  if (directory !== undefined) {
    const own =
      of.signatureFile === undefined ? SIGNATURE_FILE : relative(resolve(directory), resolve(of.signatureFile));
    return folderFiles(directory, [SIGNATURE_FILE, own]);
  }
  const { artifacts } = await kedge.registry.getVersion({ params });
  return {
    list: async () => artifacts,
    read: async (path, range) => {
      const digest = artifacts.find((artifact) => artifact.path === path)?.digest ?? '';
      return contentOf(of.options, digest, range);
    },
  };
}

async function attachedTo(
  kedge: Kedge,
  params: { readonly model: string; readonly version: number },
  options: CommandOptions,
): Promise<{ readonly summary: string; readonly file: Uint8Array }[]> {
  const { items } = await kedge.signing.listSignatures({ params });
  return Promise.all(
    items.map(async ({ summary, bundle }) => {
      const chunks: Uint8Array[] = [];
      for await (const chunk of await contentOf(options, bundle.digest)) chunks.push(chunk);
      return { summary, file: Buffer.concat(chunks) };
    }),
  );
}

function listed(problems: readonly FileProblem[]): string {
  return problems.map((problem) => `      ${problem.message}`).join('\n');
}

function fileOption(options: CommandOptions, name: string): string | undefined {
  const value = options[name];
  return typeof value === 'string' ? value : undefined;
}
