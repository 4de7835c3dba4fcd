import { digestOfJson } from '#core/hash';
import type { Json } from '#core/json';
import type { GateRequest, GateVerdict } from '#ports/gate';
import type { GatePolicySpec, Requirement } from './contract.ts';

export type GateEvidence = GateRequest['evidence'][number];

export interface Policy {
  readonly name: string;
  readonly spec: Pick<GatePolicySpec, 'require' | 'waivable'>;
}

/** The part of a waiver that decides. */
export interface WaivedItems {
  readonly items: readonly string[];
  readonly by: string;
  readonly reason: string;
}

/** A requirement after it was looked at, in words that begin with its item: `leak-check: 12 rows leaked`. */
interface Finding {
  readonly item: string;
  readonly met: boolean;
  readonly text: string;
}

export const APPROVALS_ITEM = 'approvals';
const SUMMARY_CHARS_MAX = 500;

/** What a requirement is called in verdicts and waivers: the kind of its evidence, or `approvals`. */
export function itemOf(requirement: Requirement): string {
  return 'approvals' in requirement ? APPROVALS_ITEM : requirement.evidence;
}

/**
 * Decides by all of the policies: each requirement of each must be met, or waived where its policy lets it be. Without
 * a policy everything is allowed, and the verdict says so with `policy: null`. Pure: equal arguments, equal verdicts.
 * `evidence` is oldest first.
 */
export function evaluate(
  policies: readonly Policy[],
  evidence: readonly GateEvidence[],
  waivers: readonly WaivedItems[] = [],
): GateVerdict {
  if (policies.length === 0) return { allow: true, policy: null, satisfied: [] };
  const findings = policies.flatMap(({ spec }) =>
    spec.require
      .map((requirement) => find(requirement, evidence))
      .map((finding) => (spec.waivable ? waived(finding, waivers) : finding)),
  );
  const texts = (met: boolean) => [...new Set(findings.filter((f) => f.met === met).map((f) => f.text))];
  const missing = texts(false);
  const policy = policies.map(({ name }) => name).join(', ');
  return missing.length > 0 ? { allow: false, policy, missing } : { allow: true, policy, satisfied: texts(true) };
}

/** Identifies the evidence of a decision, in its order. */
export function evidenceDigest(evidence: readonly GateEvidence[]): string {
  return digestOfJson(evidence.map(({ kind, passed, data }) => ({ kind, passed, data })));
}

function find(requirement: Requirement, evidence: readonly GateEvidence[]): Finding {
  const item = itemOf(requirement);
  const { met, words } =
    'approvals' in requirement ? judgeApprovals(requirement, evidence) : judgeEvidence(requirement, evidence);
  return { item, met, text: `${item}: ${words}` };
}

function waived(finding: Finding, waivers: readonly WaivedItems[]): Finding {
  if (finding.met) return finding;
  const waiver = waivers.find((one) => one.items.includes(finding.item));
  if (!waiver) return finding;
  return { ...finding, met: true, text: `${finding.text}; waived by ${waiver.by}: ${waiver.reason}` };
}

interface Judged {
  readonly met: boolean;
  readonly words: string;
}

function judgeEvidence(
  requirement: Extract<Requirement, { evidence: string }>,
  evidence: readonly GateEvidence[],
): Judged {
  const latest = evidence.findLast((one) => one.kind === requirement.evidence);
  if (!latest) return { met: false, words: 'there is no evidence of this kind' };
  const summary = summaryOf(latest.data);
  if (latest.passed === false) return { met: false, words: summary ?? 'failed' };
  if (requirement.passed && latest.passed === null) {
    return { met: false, words: `recorded, but not judged as passed${summary ? ` (${summary})` : ''}` };
  }
  if (requirement.metric) return judgeMetric(requirement.metric, latest.data);
  return { met: true, words: summary ?? (latest.passed ? 'passed' : 'recorded') };
}

function judgeMetric(
  bound: { readonly name: string; readonly atLeast?: number | undefined; readonly atMost?: number | undefined },
  data: Json,
): Judged {
  const { name, atLeast, atMost } = bound;
  const value = numberAt(data, name);
  if (value === undefined) return { met: false, words: `its data has no number ${name}` };
  const demand = [atLeast === undefined ? '' : `at least ${atLeast}`, atMost === undefined ? '' : `at most ${atMost}`];
  const wanted = demand.filter((part) => part !== '').join(' and ');
  const met = value >= (atLeast ?? Number.NEGATIVE_INFINITY) && value <= (atMost ?? Number.POSITIVE_INFINITY);
  return { met, words: met ? `${name} is ${value} (${wanted})` : `${name} is ${value}, required is ${wanted}` };
}

/**
 * Counts people, not clicks: of each approver the newest word counts. `passed: null` takes it back. A refusal stands
 * until the person who gave it says otherwise, and denies however many others approve.
 */
function judgeApprovals(
  requirement: Extract<Requirement, { approvals: number }>,
  evidence: readonly GateEvidence[],
): Judged {
  const words = new Map<string, GateEvidence>();
  for (const one of evidence) {
    const approver = one.kind === 'approval' ? textAt(one.data, 'approver') : undefined;
    if (approver !== undefined) words.set(approver, one);
  }
  const refused = [...words].filter(([, one]) => one.passed === false);
  if (refused.length > 0) {
    const told = refused.map(([by, one]) => `${by} refused (${textAt(one.data, 'reason') ?? 'no reason given'})`);
    return { met: false, words: told.join(', ').slice(0, SUMMARY_CHARS_MAX) };
  }
  const approved = [...words].filter(([, one]) => one.passed === true);
  const counted = approved.filter(([, one]) => !requirement.independent || memberOf(one.data, 'independent') === true);
  const names = (list: typeof approved) => list.map(([by]) => by).join(', ');
  const by = counted.length > 0 ? ` by ${names(counted)}` : '';
  const given = `${counted.length} of ${requirement.approvals}${by}`;
  const own = approved.filter((one) => !counted.includes(one));
  const met = counted.length >= requirement.approvals;
  if (met || own.length === 0) return { met, words: given };
  return { met, words: `${given}; not counted, as they made the version: ${names(own)}` };
}

function summaryOf(data: Json): string | undefined {
  return textAt(data, 'summary')?.slice(0, SUMMARY_CHARS_MAX);
}

function numberAt(data: Json, name: string): number | undefined {
  const value = memberOf(memberOf(data, 'metrics') ?? null, name) ?? memberOf(data, name);
  return typeof value === 'number' ? value : undefined;
}

function textAt(data: Json, name: string): string | undefined {
  const value = memberOf(data, name);
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function memberOf(data: Json, name: string): Json | undefined {
  const isObject = data !== null && typeof data === 'object' && !Array.isArray(data);
  return isObject && Object.hasOwn(data, name) ? (data as { readonly [key: string]: Json })[name] : undefined;
}
