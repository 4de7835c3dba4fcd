import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { insist } from './insist.ts';
import type { Done } from './workload.ts';

/** What is left when everything has ended, without times and chance: two equal stories leave the same. */
export async function finalStateOf({ kedge, runs, answers }: Done) {
  const snapshot = await insist('snapshot', () => kedge.datasets.getSnapshot({ params: { dataset: 'readings' } }));
  const ended = [];
  for (const run of runs) {
    const { status, outputs, steps } = await insist('run', () => kedge.pipelines.getPipelineRun({ params: { run } }));
    ended.push({
      ...{ status, outputs },
      /** Attempts may be lost on the way; exactly one may have succeeded. */
      steps: steps.map((step) => ({
        ...{ step: step.step, status: step.status, outputs: step.outputs, result: step.result },
        succeeded: step.attempts.filter((attempt) => attempt.status === 'succeeded').length,
      })),
    });
  }
  const predictions: Record<string, object> = {};
  for (const id of [...answers.keys()].sort()) {
    const recorded = await insist('prediction', () => kedge.monitoring.getPrediction({ params: { prediction: id } }));
    const { at, score, revision, arm, inputs, label, loss } = recorded;
    predictions[id] = { at, score, answered: answers.get(id), revision, arm, inputs, label, loss };
  }
  const params = { endpoint: 'alarm' };
  const summary = await insist('summary', () => kedge.monitoring.getSummary({ params }));
  const figures = await insist('figures', () => kedge.monitoring.listFigures({ params, query: { versions: 'all' } }));
  return {
    commits: { commit: snapshot.commit, rows: snapshot.rows, segments: snapshot.segments.map(withoutKnown) },
    runs: ended,
    predictions,
    counts: { ...summary.predictions, watermark: summary.watermark },
    figures: figures.items,
  };
}

/** Where a dataset has no column for it, the knowledge time is that of the arrival; the digest covers it. */
function withoutKnown({ rows, minAt, maxAt }: { rows: number; minAt: number; maxAt: number }) {
  return { rows, minAt, maxAt };
}

/** How often each actor took each action on each subject. All names in the workload are its own choice. */
export function auditCountsOf(dataDir: string): Record<string, number> {
  const db = new DatabaseSync(join(dataDir, 'kedge.sqlite'), { readOnly: true });
  try {
    const rows = db
      .prepare('select actor, action, subject, count(*) as times from audit group by 1, 2, 3 order by 1, 2, 3')
      .all();
    return Object.fromEntries(
      rows.map(({ actor, action, subject, times }) => [`${actor} ${action} ${subject}`, Number(times)]),
    );
  } finally {
    db.close();
  }
}
