import { useQuery } from '@tanstack/react-query';
import { formatBytes } from '#core/units';
import type { Evidence, ModelVersion } from '#registry/contract';
import { formatNumber } from '../data/format.ts';
import { kedge, read } from '../data/read.ts';
import { usePathParams } from '../data/use-params.ts';
import { Action } from '../kit/action.tsx';
import { Age } from '../kit/age.tsx';
import { type Check, Checklist } from '../kit/checklist.tsx';
import { Id, JsonBlock } from '../kit/copy.tsx';
import { KeyFigures } from '../kit/key-figures.tsx';
import { Go } from '../kit/link.tsx';
import { Columns, Facts, Page, Section } from '../kit/page.tsx';
import { Empty, Load, Loading } from '../kit/states.tsx';
import { DataTable } from '../kit/table/data-table.tsx';
import { TabBar, useTab } from '../kit/tabs.tsx';
import { placeOfSubject, places } from '../places.ts';
import { metricsOf, newestByKind, summaryOf } from './evidence-words.ts';
import { GateAnswers } from './gate-answers.tsx';
import { History } from './history.tsx';

export function VersionPage() {
  const { model, version: text } = usePathParams('model', 'version');
  const version = Number(text);
  const tab = useTab(['overview', 'signature', 'files', 'history']);
  const found = useQuery(read('registry', 'getVersion', { params: { model, version } }));
  return (
    <Page
      title={`version ${text}`}
      crumbs={[
        { label: 'Models', to: places.models() },
        { label: model, to: places.model(model) },
      ]}
      state={<span className="muted">{found.data?.aliases.join(', ')}</span>}
      actions={found.data && found.data.deletedAt === null ? <ApproveButton version={found.data} /> : null}
      lead={found.data?.description || undefined}
    >
      <TabBar
        tabs={[
          { id: 'overview', label: 'Overview' },
          { id: 'signature', label: 'Signature', count: found.data?.signature.inputs.length },
          { id: 'files', label: 'Files', count: found.data?.artifacts.length },
          { id: 'history', label: 'History' },
        ]}
        current={tab}
      />
      <Load query={found} loading={<Loading rows={12} />}>
        {(view) => (
          <>
            {tab === 'overview' ? <Overview version={view} /> : null}
            {tab === 'signature' ? <Signature version={view} /> : null}
            {tab === 'files' ? <Files version={view} /> : null}
            {tab === 'history' ? <History model={model} version={version} /> : null}
          </>
        )}
      </Load>
    </Page>
  );
}

function Overview({ version }: { readonly version: ModelVersion }) {
  const params = { model: version.model, version: version.version };
  const evidence = useQuery(read('registry', 'listEvidence', { params }));
  return (
    <Columns facts={<VersionFacts version={version} />}>
      <Load query={evidence}>
        {({ items }) => {
          const metrics = newestByKind(items).flatMap(metricsOf);
          return (
            <>
              {metrics.length > 0 ? (
                <KeyFigures figures={metrics.map(({ name, value }) => ({ label: name, value: formatNumber(value) }))} />
              ) : null}
              <Section title="Evidence" note="newest of each kind; never changed, only superseded">
                {items.length > 0 ? (
                  <Checklist checks={newestByKind(items).map(checkOf)} />
                ) : (
                  <Empty what="No evidence is recorded. A gate that asks for any will refuse this version." />
                )}
              </Section>
            </>
          );
        }}
      </Load>
      <GateAnswers model={version.model} version={version.version} />
    </Columns>
  );
}

function checkOf(evidence: Evidence): Check {
  const { id, kind, passed, data, by, at } = evidence;
  return {
    id,
    label: kind,
    status: passed === null ? 'undecided' : passed ? 'passed' : 'not-passed',
    summary: summaryOf(evidence),
    aside: (
      <>
        {by}, <Age at={at} />
      </>
    ),
    details: <JsonBlock value={data} />,
  };
}

function VersionFacts({ version }: { readonly version: ModelVersion }) {
  const { cause, runId } = version;
  const by = placeOfSubject(cause.id);
  return (
    <>
      <Facts
        title="Version"
        items={[
          ['Digest', <Id key="digest" value={version.digest} />],
          ['Registered', <Age key="created" at={version.createdAt} />],
          ['by', version.createdBy],
          ['Aliases', version.aliases.join(', ') || 'none'],
          ['Model file', `${version.modelFile.path}, ${formatBytes(version.modelFile.bytes)}`],
          ['Deleted', version.deletedAt === null ? 'no' : <Age key="deleted" at={version.deletedAt} />],
        ]}
      />
      <Facts
        title="Lineage"
        items={[
          [
            'Run',
            runId ? (
              <Go key="run" to={places.run(runId)}>
                {runId}
              </Go>
            ) : (
              'none named'
            ),
          ],
          [
            'Cause',
            by ? (
              <Go key="cause" to={by}>
                {cause.id}
              </Go>
            ) : (
              cause.id
            ),
          ],
          [
            'Automatic',
            cause.depth === 0
              ? 'no, a person asked'
              : `${cause.depth} automatic ${cause.depth === 1 ? 'step' : 'steps'} from a person`,
          ],
        ]}
      />
      {Object.keys(version.tags).length > 0 ? <Facts title="Tags" items={Object.entries(version.tags)} /> : null}
    </>
  );
}

function Signature({ version }: { readonly version: ModelVersion }) {
  const rows = version.signature.inputs.map((input, index) => ({ ...input, index }));
  return (
    <Section title="Inputs" note={`in the order of the model; the output is a ${version.signature.output}`}>
      <DataTable
        label="inputs"
        rows={rows}
        idOf={(row) => row.name}
        columns={[
          { id: 'index', header: 'Position', value: (row) => row.index, isNumeric: true },
          { id: 'name', header: 'Name', value: (row) => row.name },
          { id: 'kind', header: 'Kind', value: (row) => row.kind },
        ]}
      />
    </Section>
  );
}

function Files({ version }: { readonly version: ModelVersion }) {
  return (
    <DataTable
      label="files"
      rows={version.artifacts}
      idOf={(row) => row.path}
      columns={[
        {
          id: 'path',
          header: 'Path',
          value: (row) => row.path,
          cell: (row) => <a href={`/api/v1/blobs/${row.digest}`}>{row.path}</a>,
        },
        {
          id: 'bytes',
          header: 'Size',
          value: (row) => row.bytes,
          cell: (row) => formatBytes(row.bytes),
          isNumeric: true,
        },
        { id: 'digest', header: 'Digest', value: (row) => row.digest, cell: (row) => <Id value={row.digest} /> },
      ]}
    />
  );
}

function ApproveButton({ version }: { readonly version: ModelVersion }) {
  const params = { model: version.model, version: version.version };
  const name = `${version.model}@${version.version}`;
  return (
    <>
      <Action
        label="Refuse"
        title={`Refuse ${name}?`}
        effect={<p>Your refusal stands until you approve it: gates that ask for approvals deny {name} meanwhile.</p>}
        confirm="Refuse"
        reason={{ label: 'Why', lengthMin: 1 }}
        run={(reason) => kedge.registry.approveVersion({ params, body: { approved: false, reason } })}
      />
      <Action
        label="Approve"
        kind="main"
        title={`Approve ${name}?`}
        effect={<p>Your approval counts, by your name, for every gate that asks for approvals of {name}.</p>}
        confirm="Approve"
        reason={{ label: 'What you looked at', lengthMin: 1 }}
        run={(reason) => kedge.registry.approveVersion({ params, body: { approved: true, reason } })}
      />
    </>
  );
}
