import { useQuery } from '@tanstack/react-query';
import type { BatchView, CheckResult } from '#datasets/contract';
import { formatCount, formatNumber, formatPercent } from '../data/format.ts';
import { kedge, read } from '../data/read.ts';
import { usePathParams } from '../data/use-params.ts';
import { Action } from '../kit/action.tsx';
import { Age } from '../kit/age.tsx';
import { type Check, Checklist } from '../kit/checklist.tsx';
import { KeyFigures } from '../kit/key-figures.tsx';
import { Page, Section } from '../kit/page.tsx';
import { Empty, Load } from '../kit/states.tsx';
import { StatusChip } from '../kit/status.tsx';
import { DataTable } from '../kit/table/data-table.tsx';
import { places } from '../places.ts';

const BATCHES_MAX = 500;

export function BatchPage() {
  const { dataset, batch } = usePathParams('dataset', 'batch');
  const batches = useQuery(read('datasets', 'listBatches', { params: { dataset }, query: { limit: BATCHES_MAX } }));
  const found = batches.data?.items.find((each) => each.batch === batch);
  return (
    <Page
      title={batch}
      crumbs={[
        { label: 'Datasets', to: places.datasets() },
        { label: dataset, to: places.dataset(dataset) },
      ]}
      state={found ? <StatusChip status={found.status} /> : null}
      actions={found?.status === 'held' || found?.status === 'partly-held' ? <ReleaseButton batch={found} /> : null}
    >
      <Load query={batches}>
        {() =>
          found ? (
            <Report batch={found} />
          ) : (
            <Empty what={`The newest ${BATCHES_MAX} batches of ${dataset} have none of this name.`} />
          )
        }
      </Load>
    </Page>
  );
}

function ReleaseButton({ batch }: { readonly batch: BatchView }) {
  return (
    <Action
      label="Validate again"
      kind="main"
      title={`Validate the held rows of ${batch.batch} again?`}
      effect={
        <p>
          {formatCount(batch.report.held)} held rows are validated under <strong>{batch.dataset}</strong> as it is
          declared now. What passes is committed and known from now on; what fails stays held.
        </p>
      }
      confirm="Validate again"
      run={() => kedge.datasets.releaseBatch({ params: { dataset: batch.dataset, batch: batch.batch }, body: {} })}
    />
  );
}

function Report({ batch }: { readonly batch: BatchView }) {
  const { report } = batch;
  return (
    <>
      <KeyFigures
        figures={[
          { label: 'Rows', value: formatNumber(report.rows) },
          { label: 'Accepted', value: formatNumber(report.accepted), note: `commit ${batch.commit ?? '–'}` },
          { label: 'Held', value: formatNumber(report.held) },
          { label: 'Received', value: <Age at={batch.receivedAt} /> },
        ]}
      />
      <Section title="Expectations">
        {report.checks.length > 0 ? <Checklist checks={report.checks.map(checkOf)} /> : <Empty what="None declared." />}
      </Section>
      {report.repairs.length > 0 ? (
        <Section title="Repairs" note="corrections of known defects, counted">
          <DataTable
            label="repairs"
            isPlain
            rows={report.repairs}
            idOf={(row) => row.name}
            columns={[
              { id: 'name', header: 'Repair', value: (row) => row.name },
              { id: 'rows', header: 'Rows', value: (row) => row.rows, isNumeric: true },
            ]}
          />
        </Section>
      ) : null}
      <Section title="Columns">
        <DataTable
          label="columns"
          isPlain
          rows={report.columns}
          idOf={(row) => row.name}
          columns={[
            { id: 'name', header: 'Column', value: (row) => row.name },
            { id: 'type', header: 'Type', value: (row) => row.type },
            { id: 'nulls', header: 'Nulls', value: (row) => row.nulls, isNumeric: true },
            { id: 'min', header: 'Least', value: (row) => row.min, isNumeric: true },
            { id: 'mean', header: 'Mean', value: (row) => row.mean, isNumeric: true },
            { id: 'max', header: 'Largest', value: (row) => row.max, isNumeric: true },
          ]}
        />
      </Section>
    </>
  );
}

function checkOf(check: CheckResult): Check {
  const { name, outcome, failedRows, share, limit, groups } = check;
  const against = limit === null ? '' : `, the limit is ${formatPercent(limit, 2)}`;
  const rows = `${formatCount(failedRows)} rows do not hold`;
  return {
    id: name,
    label: name,
    status: outcome === 'passed' ? 'passed' : outcome === 'warned' ? 'warned' : 'not-passed',
    summary: `${rows}${share === null ? '' : ` (${formatPercent(share, 2)}${against})`}`,
    aside: <StatusChip status={outcome} />,
    ...(groups.length > 0 ? { details: <Groups groups={groups} /> } : {}),
  };
}

function Groups({ groups }: { readonly groups: CheckResult['groups'] }) {
  return (
    <DataTable
      label="groups that failed"
      isPlain
      rows={groups}
      idOf={(row) => row.group}
      columns={[
        { id: 'group', header: 'Group', value: (row) => row.group },
        { id: 'rows', header: 'Rows', value: (row) => row.rows, isNumeric: true },
        {
          id: 'share',
          header: 'Share',
          value: (row) => row.share,
          cell: (row) => formatPercent(row.share),
          isNumeric: true,
        },
      ]}
    />
  );
}
