import { useQuery } from '@tanstack/react-query';
import { read } from '../data/read.ts';
import { usePathParams } from '../data/use-params.ts';
import { useUrl } from '../data/use-url.ts';
import { Age } from '../kit/age.tsx';
import { Columns, Facts, Page } from '../kit/page.tsx';
import { Load } from '../kit/states.tsx';
import { TabBar, useTab } from '../kit/tabs.tsx';
import { places } from '../places.ts';
import { RunCount } from './run-count.tsx';
import { RunsView } from './runs-view.tsx';
import { TracesView } from './traces/traces-view.tsx';

export function ExperimentPage() {
  const { experiment } = usePathParams('experiment');
  const tab = useTab(['runs', 'parallel', 'traces', 'about']);
  const url = useUrl();
  const found = useQuery(read('tracking', 'getExperiment', { params: { experiment } }));
  return (
    <Page
      title={found.data?.name ?? `experiment ${experiment}`}
      crumbs={[{ label: 'Experiments', to: places.experiments() }]}
      state={found.data?.lifecycle === 'deleted' ? <span className="muted">deleted</span> : undefined}
      lead={found.data?.tags['mlflow.note.content'] || undefined}
    >
      <TabBar
        tabs={[
          { id: 'runs', label: 'Runs' },
          { id: 'parallel', label: 'Parallel coordinates' },
          { id: 'traces', label: 'Traces' },
          { id: 'about', label: 'About' },
        ]}
        current={tab}
      />
      <Load query={found}>
        {({ id, name, tags, createdAt, createdBy, updatedAt, project, artifactLocation }) =>
          tab === 'about' ? (
            <Columns
              facts={
                <Facts
                  title="Experiment"
                  items={[
                    ['Id', id],
                    ['Name', name],
                    ['Project', project],
                    ['Runs', <RunCount key="runs" experiment={id} />],
                    ['Created', createdAt === 0 ? 'from the start' : <Age key="created" at={createdAt} />],
                    ['by', createdBy],
                    ['Changed', <Age key="updated" at={updatedAt} />],
                    ['Files below', artifactLocation],
                  ]}
                />
              }
            >
              {Object.keys(tags).length > 0 ? (
                <Facts title="Tags" items={Object.entries(tags)} />
              ) : (
                <p className="muted">This experiment has no tags.</p>
              )}
            </Columns>
          ) : tab === 'traces' ? (
            <TracesView experiment={id} />
          ) : (
            <RunsView key={url.get('lifecycle')} experiment={id} isParallel={tab === 'parallel'} />
          )
        }
      </Load>
    </Page>
  );
}
