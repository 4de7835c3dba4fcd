import { useQuery } from '@tanstack/react-query';
import { read } from '../data/read.ts';
import { useUrl } from '../data/use-url.ts';
import { Page } from '../kit/page.tsx';
import { Load, Partial } from '../kit/states.tsx';
import { Choice } from '../kit/tabs.tsx';
import { places } from '../places.ts';
import { RunsTable } from './runs-table.tsx';

export const RUNS_LISTED_MAX = 500;
const statuses = ['running', 'failed', 'succeeded', 'queued', 'cancelled'] as const;

export function RunsPage() {
  const url = useUrl();
  const status = statuses.find((each) => each === url.get('status'));
  const pipeline = url.get('pipeline');
  const runs = useQuery(read('pipelines', 'listPipelineRuns', { query: { limit: RUNS_LISTED_MAX, status, pipeline } }));
  return (
    <Page title="Runs" crumbs={[{ label: 'Pipelines', to: places.pipelines() }]}>
      <div className="toolbar">
        <Choice
          label="Status"
          options={[['', 'All'], ...statuses.map((each) => [each, each] as const)]}
          value={status ?? ''}
          onChange={(value) => url.set({ status: value })}
        />
      </div>
      <Load query={runs}>
        {({ items, next }) => (
          <>
            {next ? <Partial>The newest {RUNS_LISTED_MAX} are listed; there are older ones.</Partial> : null}
            <RunsTable runs={items} isPickable />
          </>
        )}
      </Load>
    </Page>
  );
}
