import { useMutation, useQuery } from '@tanstack/react-query';
import type { SkewReport } from '#monitoring/contract';
import { formatCount } from '../data/format.ts';
import { kedge, read } from '../data/read.ts';
import { EventTime } from '../kit/age.tsx';
import { KeyFigures } from '../kit/key-figures.tsx';
import { Go } from '../kit/link.tsx';
import { Section } from '../kit/page.tsx';
import { Failure } from '../kit/states.tsx';
import { DataTable } from '../kit/table/data-table.tsx';
import { places } from '../places.ts';

const DAY_MS = 86_400_000;

/** Recomputes what the gateway looked up, from the data as it was known then, and compares value by value. */
export function Skew({ endpoint }: { readonly endpoint: string }) {
  const summary = useQuery(read('monitoring', 'getSummary', { params: { endpoint } })).data;
  const to = summary?.predictions.lastAt ?? null;
  const audit = useMutation({
    mutationFn: (until: number) =>
      kedge.monitoring.auditSkew({ params: { endpoint }, body: { from: Math.max(0, until - DAY_MS), to: until + 1 } }),
  });
  return (
    <Section
      title="Training against serving"
      note="a sample of the last day of predictions, recomputed offline as of their event time"
      aside={
        <button
          type="button"
          className="button"
          disabled={to === null || audit.isPending}
          onClick={() => to !== null && audit.mutate(to)}
        >
          {audit.isPending ? 'Comparing…' : 'Audit the last day'}
        </button>
      }
    >
      {audit.error ? <Failure error={audit.error} /> : null}
      {audit.data ? (
        <Report report={audit.data} endpoint={endpoint} />
      ) : (
        <p className="muted">Not audited on this page yet.</p>
      )}
    </Section>
  );
}

function Report({ report, endpoint }: { readonly report: SkewReport; readonly endpoint: string }) {
  return (
    <>
      <p className="verdict">{report.sentence}</p>
      <KeyFigures
        figures={[
          { label: 'Predictions', value: formatCount(report.rows) },
          { label: 'Values compared', value: formatCount(report.values) },
          { label: 'Different', value: formatCount(report.mismatched) },
        ]}
      />
      {report.examples.length > 0 ? (
        <DataTable
          label="differences"
          rows={report.examples}
          idOf={(row) => `${row.prediction} ${row.feature}`}
          columns={[
            {
              id: 'prediction',
              header: 'Prediction',
              value: (row) => row.prediction,
              cell: (row) => (
                <Go to={places.endpoint(endpoint, { tab: 'predictions', prediction: row.prediction })}>
                  {row.prediction}
                </Go>
              ),
            },
            { id: 'at', header: 'Event time (UTC)', value: (row) => row.at, cell: (row) => <EventTime at={row.at} /> },
            { id: 'feature', header: 'Feature', value: (row) => row.feature },
            { id: 'online', header: 'Served', value: (row) => row.online, isNumeric: true },
            { id: 'offline', header: 'Recomputed', value: (row) => row.offline, isNumeric: true },
          ]}
        />
      ) : null}
    </>
  );
}
