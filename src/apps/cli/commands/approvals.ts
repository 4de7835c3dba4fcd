import { createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto';
import type { Command } from 'commander';
import type { Kedge } from '#client';
import { messageOf } from '#core/errors';
import { digestOf } from '#core/hash';
import { approvalStatement } from '#governance/contract';
import { UsageError } from '../failure.ts';
import { textOf } from '../read-file.ts';
import { formatTable } from '../table.ts';
import { type CommandOptions, connectedInProject, modelKeyOf, printJson, withKedge } from './connected.ts';
import { everyItem, placeOf } from './models.ts';
import { versionNamed } from './version-name.ts';

const STATUSES = ['pending', 'approved', 'rejected', 'withdrawn'] as const;

/** `kedge approvals`: who asks for what, and decisions that are signed here, where the approver's private key is. */
export function approvalCommands(program: Command): void {
  const approvals = program.command('approvals').description('list, request and decide approvals of versions');
  listCommand(approvals);
  connectedInProject(approvals.command('request <version>').description('ask for a version to be approved'))
    .option('--alias <alias>', 'for this alias')
    .option('--stage <stage>', 'for this stage', 'Production')
    .option('--reason <text>', 'why', '')
    .action(
      withKedge(async (kedge, [name = ''], options) => {
        const { model, version } = versionNamed(name);
        const of = { model: modelKeyOf(model, options), version };
        const body = { ...of, ...placeOf(options), reason: String(options['reason']) };
        const request = await kedge.governance.requestApproval({ body });
        if (options.json) return printJson(request);
        process.stdout.write(`requested ${request.id}\n`);
      }),
    );
  decisionCommand(approvals, 'approve');
  decisionCommand(approvals, 'reject');
  connectedInProject(approvals.command('withdraw <request>').description('take a request of yours back')).action(
    withKedge(async (kedge, [id = ''], options) => {
      const request = await kedge.governance.withdrawApproval({ params: { request: id } });
      if (options.json) return printJson(request);
      process.stdout.write(`request ${id} is ${request.status}\n`);
    }),
  );
  connectedInProject(
    approvals.command('enrol <public-key>').description('enrol the Ed25519 key (PEM) that you sign with'),
  ).action(
    withKedge(async (kedge, [path = ''], options) => {
      const key = await kedge.governance.enrolApproverKey({ body: { publicKey: await textOf(path) } });
      if (options.json) return printJson(key);
      process.stdout.write(`${key.user} signs with ${key.id}\n`);
    }),
  );
}

function listCommand(approvals: Command): void {
  connectedInProject(approvals.command('list', { isDefault: true }).description('list approval requests, newest first'))
    .option('--status <status>', STATUSES.join(', '))
    .action(
      withKedge(async (kedge, _args, options) => {
        const status = statusOf(options);
        const items = await everyItem((after) =>
          kedge.governance.listApprovalRequests({ query: { ...status, ...after } }),
        );
        if (options.json) return printJson(items);
        const rows = items.map((one) => [
          ...[one.id, `${one.model}@${one.version}`, `${one.transition} ${one.target}`, one.status],
          ...[`${one.decisions.length} of ${one.needed}`, one.requestedBy, one.reason],
        ]);
        const header = ['request', 'version', 'for', 'status', 'decisions', 'by', 'reason'];
        process.stdout.write(`${formatTable(header, rows)}\n`);
      }),
    );
}

function statusOf(options: CommandOptions): { readonly status?: (typeof STATUSES)[number] } {
  const text = options['status'];
  if (text === undefined) return {};
  const status = STATUSES.find((one) => one === text);
  if (status) return { status };
  throw new UsageError(`--status ${String(text)}: expected one of ${STATUSES.join(', ')}`);
}

function decisionCommand(approvals: Command, verb: 'approve' | 'reject'): void {
  connectedInProject(approvals.command(`${verb} <request>`).description(`${verb} a version, signed with your key`))
    .requiredOption('--key <path>', 'your Ed25519 private key (PEM); it does not leave this machine')
    .requiredOption('--reason <text>', 'why')
    .action(
      withKedge(async (kedge, [id = ''], options) => {
        const request = await decide(kedge, { id, decision: verb === 'approve' ? 'approved' : 'rejected', options });
        if (options.json) return printJson(request);
        process.stdout.write(`request ${id} is ${request.status}\n`);
      }),
    );
}

async function decide(
  kedge: Kedge,
  given: { readonly id: string; readonly decision: 'approved' | 'rejected'; readonly options: CommandOptions },
) {
  const { id, decision, options } = given;
  const privateKey = privateKeyIn(await textOf(String(options['key'])));
  const key = digestOf(createPublicKey(privateKey).export({ type: 'spki', format: 'der' }));
  const params = { request: id };
  const request = await kedge.governance.getApprovalRequest({ params });
  const body = { decision, reason: String(options['reason']), key };
  const statement = approvalStatement({ ...request, ...body, request: id });
  const signature = sign(null, Buffer.from(statement), privateKey).toString('base64');
  return kedge.governance.decideApproval({ params, body: { ...body, signature } });
}

function privateKeyIn(pem: string): KeyObject {
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
  } catch (error) {
    throw new UsageError(`--key: expected an Ed25519 private key as PEM (${messageOf(error)})`);
  }
  if (key.asymmetricKeyType === 'ed25519') return key;
  throw new UsageError(`--key: expected an Ed25519 private key, this one is ${key.asymmetricKeyType}`);
}
