import { useQuery } from '@tanstack/react-query';
import { formatBytes } from '#core/units';
import type { ModelVersion } from '#registry/contract';
import { read } from '../data/read.ts';
import { usePathParams } from '../data/use-params.ts';
import { Age } from '../kit/age.tsx';
import { Id } from '../kit/copy.tsx';
import { Page } from '../kit/page.tsx';
import { Empty, Load, Partial } from '../kit/states.tsx';
import type { Column } from '../kit/table/column.ts';
import { DataTable } from '../kit/table/data-table.tsx';
import { TabBar, useTab } from '../kit/tabs.tsx';
import { places } from '../places.ts';
import { Board } from './board.tsx';
import { History } from './history.tsx';
import { RunLink } from './run-link.tsx';
import { wordsOf } from './stages.ts';

const VERSIONS_MAX = 500;

const columns: readonly Column<ModelVersion>[] = [
  { id: 'version', header: 'Version', value: (row) => row.version, cell: (row) => `version ${row.version}` },
  { id: 'semantic', header: 'Semantic', value: (row) => row.semanticVersion },
  { id: 'stage', header: 'Stage', value: (row) => row.stage },
  { id: 'status', header: 'Status', value: (row) => wordsOf(row.stageStatus) },
  { id: 'aliases', header: 'Aliases', value: (row) => row.aliases.join(', ') || null },
  { id: 'by', header: 'Registered by', value: (row) => row.createdBy },
  { id: 'cause', header: 'Cause', value: (row) => row.cause.id, isHidden: true },
  {
    id: 'run',
    header: 'Run',
    value: (row) => row.runId,
    cell: (row) => (row.runId ? <RunLink run={row.runId} /> : '–'),
  },
  { id: 'digest', header: 'Digest', value: (row) => row.digest, cell: (row) => <Id value={row.digest} /> },
  {
    id: 'size',
    header: 'Model file',
    value: (row) => row.modelFile.bytes,
    cell: (row) => (row.modelFile.path ? formatBytes(row.modelFile.bytes) : '–'),
    isNumeric: true,
    isHidden: true,
  },
  { id: 'inputs', header: 'Inputs', value: (row) => row.signature.inputs.length, isNumeric: true },
  { id: 'created', header: 'Registered', value: (row) => row.createdAt, cell: (row) => <Age at={row.createdAt} /> },
];

export function ModelPage() {
  const { model: name } = usePathParams('model');
  const tab = useTab(['versions', 'board', 'history']);
  const model = useQuery(read('registry', 'getModel', { params: { model: name } }));
  const versions = useQuery(
    read('registry', 'listVersions', { params: { model: name }, query: { limit: VERSIONS_MAX } }),
  );
  return (
    <Page title={name} crumbs={[{ label: 'Models', to: places.models() }]} lead={model.data?.description || undefined}>
      <TabBar
        tabs={[
          { id: 'versions', label: 'Versions' },
          { id: 'board', label: 'Stages and aliases' },
          { id: 'history', label: 'History' },
        ]}
        current={tab}
      />
      {tab === 'history' ? <History model={name} /> : null}
      {tab === 'board' ? (
        <Load query={versions}>
          {({ items, next }) => (
            <>
              {next ? <Partial>The newest {VERSIONS_MAX} versions are shown.</Partial> : null}
              {model.data ? <Board model={model.data} versions={items} /> : null}
            </>
          )}
        </Load>
      ) : null}
      {tab === 'versions' ? (
        <Load query={versions}>
          {({ items, next }) => (
            <>
              {next ? <Partial>The newest {VERSIONS_MAX} versions are listed.</Partial> : null}
              <DataTable
                label="versions"
                rows={items}
                columns={columns}
                idOf={(row) => String(row.version)}
                to={(row) => places.version(name, row.version)}
                empty={<Empty what="No version is registered." />}
              />
            </>
          )}
        </Load>
      ) : null}
    </Page>
  );
}
