import { useQuery } from '@tanstack/react-query';
import { kedge, read } from '../data/read.ts';
import { usePathParams } from '../data/use-params.ts';
import { Action } from '../kit/action.tsx';
import { Age } from '../kit/age.tsx';
import { JsonBlock } from '../kit/copy.tsx';
import { Columns, Facts, Page } from '../kit/page.tsx';
import { Load } from '../kit/states.tsx';
import { TabBar, useTab } from '../kit/tabs.tsx';
import { places } from '../places.ts';
import { RunsTable } from './runs-table.tsx';

const RUNS_MAX = 200;

export function PipelinePage() {
  const { pipeline } = usePathParams('pipeline');
  const tab = useTab(['runs', 'settings']);
  const resource = useQuery(read('resources', 'getResource', { params: { kind: 'pipeline', name: pipeline } }));
  const runs = useQuery(read('pipelines', 'listPipelineRuns', { query: { pipeline, limit: RUNS_MAX } }));
  return (
    <Page
      title={pipeline}
      crumbs={[{ label: 'Pipelines', to: places.pipelines() }]}
      lead={String(resource.data?.spec['description'] ?? '') || undefined}
      actions={<RunButton pipeline={pipeline} />}
    >
      <TabBar
        tabs={[
          { id: 'runs', label: 'Runs' },
          { id: 'settings', label: 'Settings' },
        ]}
        current={tab}
      />
      <Load query={resource}>
        {(view) =>
          tab === 'settings' ? (
            <JsonBlock value={view.spec} />
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
              <Load query={runs}>{({ items }) => <RunsTable runs={items} isOfOne />}</Load>
            </Columns>
          )
        }
      </Load>
    </Page>
  );
}

function RunButton({ pipeline }: { readonly pipeline: string }) {
  return (
    <Action
      label="Run"
      kind="main"
      title={`Run ${pipeline} now?`}
      effect={
        <p>
          Starts a run of <strong>{pipeline}</strong> as it is declared now, with the defaults of its parameters. Steps
          whose code, parameters and inputs are those of an earlier run are taken from the cache.
        </p>
      }
      confirm="Start the run"
      run={() => kedge.pipelines.startPipelineRun({ params: { pipeline }, body: {} })}
    />
  );
}
