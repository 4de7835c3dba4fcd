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

/** What a decision is about, and what else it looks at. */
export interface Circumstances {
  readonly transition?: string;
  readonly target?: string;
  /** The evidence of the version that is champion now, oldest first; absent while there is none, or it is this one. */
  readonly champion?: readonly GateEvidence[] | undefined;
  /** Whether the signature of an approval verifies. */
  readonly isSigned?: (approval: GateEvidence) => boolean;
}

/** A requirement after it was looked at, in words that begin with its item: `leak-check: 12 rows leaked`. */
export interface Finding {
  readonly policy: string;
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
  circumstances: Circumstances = {},
): GateVerdict {
  if (policies.length === 0) return { allow: true, policy: null, satisfied: [] };
  const findings = findingsOf(policies, { evidence, waivers, ...circumstances });
  const texts = (met: boolean) => [...new Set(findings.filter((f) => f.met === met).map((f) => f.text))];
  const missing = texts(false);
  const policy = policies.map(({ name }) => name).join(', ');
  return missing.length > 0 ? { allow: false, policy, missing } : { allow: true, policy, satisfied: texts(true) };
}

interface Judging extends Circumstances {
  readonly evidence: readonly GateEvidence[];
  readonly waivers: readonly WaivedItems[];
}

/** Each requirement of each policy after it was looked at. */
export function findingsOf(policies: readonly Policy[], judging: Judging): Finding[] {
  return policies.flatMap(({ name, spec }) =>
    spec.require
      .map((requirement) => find(name, requirement, judging))
      .map((finding) => (spec.waivable ? waived(finding, judging.waivers) : finding)),
  );
}

/** Identifies the evidence of a decision, in its order. */
export function evidenceDigest(evidence: readonly GateEvidence[]): string {
  return digestOfJson(evidence.map(({ kind, passed, data }) => ({ kind, passed, data })));
}

function find(policy: string, requirement: Requirement, judging: Judging): Finding {
  const item = itemOf(requirement);
  const { met, words } =
    'approvals' in requirement ? judgeApprovals(requirement, judging) : judgeEvidence(requirement, judging);
  return { policy, item, met, text: `${item}: ${words}` };
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
  { evidence, champion }: Judging,
): Judged {
  const latest = evidence.findLast((one) => one.kind === requirement.evidence);
  if (!latest) return { met: false, words: 'there is no evidence of this kind' };
  const summary = summaryOf(latest.data);
  if (latest.passed === false) return { met: false, words: summary ?? 'failed' };
  if (requirement.passed && latest.passed === null) {
    return { met: false, words: `recorded, but not judged as passed${summary ? ` (${summary})` : ''}` };
  }
  if (requirement.allowed) {
    const judged = judgeList(requirement.allowed, latest.data);
    if (!judged.met) return judged;
  }
  if (requirement.metric) {
    const before = champion?.findLast((one) => one.kind === requirement.evidence)?.data;
    return judgeMetric(requirement.metric, latest.data, before);
  }
  return { met: true, words: summary ?? (latest.passed ? 'passed' : 'recorded') };
}

function judgeList(
  { list, values }: { readonly list: string; readonly values: readonly string[] },
  data: Json,
): Judged {
  const found = memberOf(data, list);
  if (!Array.isArray(found)) return { met: false, words: `its data has no list ${list}` };
  const other = found.filter((value) => typeof value !== 'string' || !values.includes(value)).map(String);
  const words = other.length > 0 ? `${list} has ${other.join(', ')}, which is not allowed` : `${list} are allowed`;
  return { met: other.length === 0, words: words.slice(0, SUMMARY_CHARS_MAX) };
}

interface Bounds {
  readonly atLeast?: number | undefined;
  readonly atMost?: number | undefined;
}

/** `before` is the champion's evidence of the same kind. What it has no number for cannot be compared with. */
function judgeMetric(
  bound: Bounds & { readonly name: string; readonly aboveChampion?: Bounds | undefined },
  data: Json,
  before: Json | undefined,
): Judged {
  const { name, aboveChampion } = bound;
  const value = numberAt(data, name);
  if (value === undefined) return { met: false, words: `its data has no number ${name}` };
  const own = within(value, bound);
  if (!own.met) return { met: false, words: `${name} is ${value}, required is ${own.wanted}` };
  const told = own.wanted === '' ? `${name} is ${value}` : `${name} is ${value} (${own.wanted})`;
  if (!aboveChampion) return { met: true, words: told };
  const champion = before === undefined ? undefined : numberAt(before, name);
  if (champion === undefined) return { met: true, words: `${told}; there is no champion's to compare it with` };
  const difference = Number((value - champion).toPrecision(12));
  const { met, wanted } = within(difference, aboveChampion);
  return {
    met,
    words: `${told}, the champion's ${champion}; required is a difference of ${wanted}, it is ${difference}`,
  };
}

function within(value: number, { atLeast, atMost }: Bounds): { readonly met: boolean; readonly wanted: string } {
  const demand = [atLeast === undefined ? '' : `at least ${atLeast}`, atMost === undefined ? '' : `at most ${atMost}`];
  const met = value >= (atLeast ?? Number.NEGATIVE_INFINITY) && value <= (atMost ?? Number.POSITIVE_INFINITY);
  return { met, wanted: demand.filter((part) => part !== '').join(' and ') };
}

/**
 * Counts people, not clicks: of each approver the newest word counts. `passed: null` takes it back. A refusal stands
 * until the person who gave it says otherwise, and denies however many others approve.
 */
function judgeApprovals(requirement: Extract<Requirement, { approvals: number }>, judging: Judging): Judged {
  const words = new Map<string, GateEvidence>();
  let unsigned = 0;
  for (const one of judging.evidence) {
    const approver = one.kind === 'approval' ? textAt(one.data, 'approver') : undefined;
    if (approver === undefined || !concerns(one, judging)) continue;
    if (requirement.signed && one.passed === true && !judging.isSigned?.(one)) unsigned += 1;
    else words.set(approver, one);
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
  const what = requirement.signed ? ' signed' : '';
  const left = unsigned > 0 ? `; ${unsigned} without a signature that verifies` : '';
  const given = `${counted.length} of ${requirement.approvals}${what}${by}${left}`;
  const own = approved.filter((one) => !counted.includes(one));
  const met = counted.length >= requirement.approvals;
  if (met || own.length === 0) return { met, words: given };
  return { met, words: `${given}; not counted, as they made the version: ${names(own)}` };
}

/** Whether an approval is about the version as a whole, or about the very transition that is asked for. */
function concerns({ data }: GateEvidence, { transition, target }: Circumstances): boolean {
  const given = textAt(data, 'transition');
  return given === undefined || (given === transition && textAt(data, 'target') === target);
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
