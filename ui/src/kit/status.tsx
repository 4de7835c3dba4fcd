import {
  Ban,
  Check,
  CheckCheck,
  Circle,
  CircleDashed,
  CirclePause,
  CircleSlash,
  Clock,
  Equal,
  EqualNot,
  Flag,
  FlaskConical,
  Ghost,
  Lock,
  type LucideIcon,
  OctagonX,
  Play,
  Recycle,
  ShieldAlert,
  SkipForward,
  TriangleAlert,
  Undo2,
  X,
} from 'lucide-react';

/** `bad` is for what hurts users now; a refused candidate hurts nobody and is only worth attention. */
export type Tone = 'ok' | 'active' | 'attention' | 'bad' | 'idle';

interface Look {
  readonly tone: Tone;
  readonly icon: LucideIcon;
  readonly word?: string;
}

/** Every state that the platform has a word for. */
const looks: Readonly<Record<string, Look>> = {
  ok: { tone: 'ok', icon: Check },
  succeeded: { tone: 'ok', icon: Check },
  committed: { tone: 'ok', icon: Check },
  completed: { tone: 'ok', icon: CheckCheck },
  released: { tone: 'ok', icon: CheckCheck },
  passed: { tone: 'ok', icon: Check },
  resolved: { tone: 'ok', icon: Check },
  approved: { tone: 'ok', icon: Check },
  allowed: { tone: 'ok', icon: Check },
  serving: { tone: 'ok', icon: Check },
  better: { tone: 'ok', icon: Check },
  harmless: { tone: 'ok', icon: Check },
  'not-measured': { tone: 'idle', icon: CircleSlash, word: 'not measured' },
  checking: { tone: 'active', icon: FlaskConical },
  fired: { tone: 'active', icon: Play },
  cached: { tone: 'ok', icon: Recycle },
  running: { tone: 'active', icon: Play },
  shadow: { tone: 'active', icon: Ghost },
  canary: { tone: 'active', icon: FlaskConical },
  probation: { tone: 'active', icon: Flag },
  queued: { tone: 'idle', icon: Clock },
  waiting: { tone: 'idle', icon: Clock },
  undecided: { tone: 'idle', icon: CircleDashed },
  guardrail: { tone: 'attention', icon: ShieldAlert, word: 'out: guardrail' },
  hurt: { tone: 'attention', icon: X, word: 'out: worse' },
  beaten: { tone: 'idle', icon: CircleSlash, word: 'out: beaten' },
  futile: { tone: 'idle', icon: CircleSlash, word: 'out: no gain' },
  'by-hand': { tone: 'idle', icon: CircleSlash, word: 'out: by hand' },
  cancelling: { tone: 'idle', icon: CirclePause },
  cancelled: { tone: 'idle', icon: Ban },
  aborted: { tone: 'idle', icon: Ban },
  skipped: { tone: 'idle', icon: SkipForward },
  lost: { tone: 'attention', icon: TriangleAlert },
  idle: { tone: 'idle', icon: Circle },
  none: { tone: 'idle', icon: CircleDashed, word: 'nothing yet' },
  disabled: { tone: 'idle', icon: CircleSlash, word: 'switched off' },
  'resolved-early': { tone: 'idle', icon: Check, word: 'resolved early' },
  'cooling-down': { tone: 'idle', icon: Clock, word: 'cooling down' },
  'over-budget': { tone: 'attention', icon: CircleSlash, word: 'over budget' },
  loop: { tone: 'attention', icon: CircleSlash, word: 'loop cut' },
  warned: { tone: 'attention', icon: TriangleAlert },
  warning: { tone: 'attention', icon: TriangleAlert },
  firing: { tone: 'attention', icon: TriangleAlert },
  open: { tone: 'attention', icon: TriangleAlert },
  finished: { tone: 'ok', icon: Check },
  scheduled: { tone: 'idle', icon: Clock },
  killed: { tone: 'idle', icon: Ban },
  held: { tone: 'attention', icon: CirclePause },
  'partly-held': { tone: 'attention', icon: CirclePause, word: 'partly held' },
  'rejected-rows': { tone: 'attention', icon: TriangleAlert, word: 'rows rejected' },
  'quarantined-groups': { tone: 'attention', icon: CirclePause, word: 'groups held' },
  'quarantined-batch': { tone: 'attention', icon: CirclePause, word: 'batch held' },
  refused: { tone: 'attention', icon: ShieldAlert },
  rejected: { tone: 'attention', icon: X },
  withdrawn: { tone: 'idle', icon: Ban },
  denied: { tone: 'attention', icon: ShieldAlert },
  'not-passed': { tone: 'attention', icon: X, word: 'failed' },
  missing: { tone: 'attention', icon: CircleDashed },
  worse: { tone: 'attention', icon: X },
  locked: { tone: 'attention', icon: Lock },
  'rolled-back': { tone: 'attention', icon: Undo2, word: 'rolled back' },
  same: { tone: 'ok', icon: Equal },
  different: { tone: 'attention', icon: EqualNot },
  varying: { tone: 'idle', icon: EqualNot, word: 'varies' },
  undone: { tone: 'idle', icon: CircleDashed, word: 'not done in both' },
  absent: { tone: 'idle', icon: CircleSlash, word: 'in one only' },
  failed: { tone: 'bad', icon: OctagonX },
  critical: { tone: 'bad', icon: OctagonX },
};

const unknown: Look = { tone: 'idle', icon: Circle };

export function lookOf(status: string): Look {
  return looks[status] ?? unknown;
}

/** A state as word, icon and colour; `detail` follows the word, as in `canary 25 %`. */
export function StatusChip({ status, detail }: { readonly status: string; readonly detail?: string | undefined }) {
  const { tone, icon: Icon, word } = lookOf(status);
  return (
    <span className="chip" data-tone={tone}>
      <Icon size={13} aria-hidden />
      {word ?? status}
      {detail ? ` ${detail}` : ''}
    </span>
  );
}
