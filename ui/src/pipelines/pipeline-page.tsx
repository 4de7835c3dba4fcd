import { useQuery } from '@tanstack/react-query';
import type { PipelineSpec } from '#pipelines/contract';
import type { ResourceView } from '#platform/resources/contract';
import { read } from '../data/read.ts';
import { usePathParams } from '../data/use-params.ts';
import { Age } from '../kit/age.tsx';
import { JsonBlock } from '../kit/copy.tsx';
import { Columns, Facts, Page } from '../kit/page.tsx';
import { Load } from '../kit/states.tsx';
import { TabBar, useTab } from '../kit/tabs.tsx';
import { places } from '../places.ts';
import { Partitions } from './partitions/partitions.tsx';
import { RunButton } from './run-button.tsx';
import { RunsTable } from './runs-table.tsx';

const RUNS_MAX = 200;

function paramsOf({ spec }: ResourceView): PipelineSpec['params'] {
  return (spec['params'] ?? {}) as PipelineSpec['params'];
}

export function PipelinePage() {
  const { pipeline } = usePathParams('pipeline');
  const tab = useTab(['runs', 'partitions', 'settings']);
  const resource = useQuery(read('resources', 'getResource', { params: { kind: 'pipeline', name: pipeline } }));
  const runs = useQuery(read('pipelines', 'listPipelineRuns', { query: { pipeline, limit: RUNS_MAX } }));
  return (
    <Page
      title={pipeline}
      crumbs={[{ label: 'Pipelines', to: places.pipelines() }]}
      lead={String(resource.data?.spec['description'] ?? '') || undefined}
      actions={resource.data ? <RunButton pipeline={pipeline} params={paramsOf(resource.data)} /> : null}
    >
      <TabBar
        tabs={[
          { id: 'runs', label: 'Runs' },
          ...(resource.data?.spec['partitions'] ? [{ id: 'partitions', label: 'Partitions' }] : []),
          { id: 'settings', label: 'Settings' },
        ]}
        current={tab}
        drop={['by', 'missing', 'page', 'backfill', 'pick']}
      />
      <Load query={resource}>
        {(view) =>
          tab === 'settings' ? (
            <JsonBlock value={view.spec} />
          ) : tab === 'partitions' ? (
            <Partitions pipeline={pipeline} />
          ) : (
            <Columns
              facts={
                <Facts
                  items={[
                    ['Generation', view.generation],
                    ['Declared', <Age key="age" at={view.updatedAt} />],
                    ['Parameters', Object.keys((view.spec['params'] ?? {}) as object).join(', ') || 'none'],
                  ]}
                />
              }
            >
              <Load query={runs}>{({ items }) => <RunsTable runs={items} isOfOne isPickable />}</Load>
            </Columns>
          )
        }
      </Load>
    </Page>
  );
}
