import { useQuery } from '@tanstack/react-query';
import { useRouterState } from '@tanstack/react-router';
import { Columns3, GitCompareArrows } from 'lucide-react';
import { type ReactNode, useMemo, useRef, useState } from 'react';
import { formatCount } from '../data/format.ts';
import { read } from '../data/read.ts';
import { useUrl } from '../data/use-url.ts';
import { Go } from '../kit/link.tsx';
import { Empty, Failure, Loading } from '../kit/states.tsx';
import { Choice } from '../kit/tabs.tsx';
import { places } from '../places.ts';
import { FilterBox } from './filter-box.tsx';
import { runLanguage } from './filter-completion.ts';
import { ParallelCoordinates } from './parallel.tsx';
import { Picker } from './picker.tsx';
import type { RunKeys, TrackedRun } from './run.ts';
import { columnGroups, columnsAtFirst, columnsOf, columnsText, orderText } from './run-columns.tsx';
import { RunsGrid } from './runs-grid.tsx';
import { type Runs, useRuns } from './use-runs.ts';
import { ViewsMenu } from './views-menu.tsx';

const NO_KEYS: RunKeys = { metrics: [], params: [], tags: [] };
const PICKED_MAX = 20;
const EXAMPLE = "metrics.auc > 0.9 AND params.optimizer = 'adam'";

interface RunsViewProps {
  readonly experiment: string;
  readonly isParallel: boolean;
}

/** The runs of an experiment as a table or as lines. Filter, order, columns and what is picked are in the address. */
export function RunsView({ experiment, isParallel }: RunsViewProps) {
  const url = useUrl();
  const { pathname, searchStr } = useRouterState({ select: (state) => state.location });
  const input = useRef<HTMLInputElement>(null);
  const filter = url.get('filter') ?? '';
  const order = url.get('sort') ?? '';
  const lifecycle = url.get('lifecycle') === 'deleted' ? 'deleted' : 'active';
  const known = useQuery(read('tracking', 'listRunKeys', { params: { experiment } }));
  const runs = useRuns({ experiment, filter, order: orderText(order), lifecycle });

  const groups = useMemo(() => columnGroups(known.data ?? NO_KEYS), [known.data]);
  const chosen = url.get('cols');
  const [firstRuns, setFirstRuns] = useState<readonly TrackedRun[]>([]);
  if (firstRuns.length === 0 && runs.items && runs.items.length > 0) setFirstRuns(runs.items);
  const shown = useMemo(
    () => (chosen === undefined ? columnsAtFirst(known.data ?? NO_KEYS, firstRuns) : columnsOf(chosen)),
    [chosen, known.data, firstRuns],
  );
  const columns = useMemo(() => {
    const all = new Map(groups.flatMap((group) => group.columns.map((column) => [column.id, column] as const)));
    return shown.flatMap((id) => all.get(id) ?? []);
  }, [groups, shown]);
  const picked = useMemo(() => (url.get('picked') ?? '').split(',').filter(Boolean), [url]);
  const language = useMemo(
    () => runLanguage({ ...(known.data ?? NO_KEYS), valuesOf: (field) => valuesOf(runs.items ?? firstRuns, field) }),
    [known.data, runs.items, firstRuns],
  );
  const isFilterWrong = (runs.error as { code?: string } | null)?.code === 'search/invalid-filter';
  return (
    <>
      <FilterBox
        value={filter}
        language={language}
        label="Filter runs"
        example={EXAMPLE}
        error={isFilterWrong ? runs.error : null}
        input={input}
        onChange={(text) => url.set({ filter: text })}
      />
      <div className="toolbar">
        <Count runs={runs} />
        <Choice
          label="Lifecycle"
          options={[
            ['active', 'Active'],
            ['deleted', 'Deleted'],
          ]}
          value={lifecycle}
          onChange={(value) => url.set({ lifecycle: value === 'active' ? undefined : value })}
        />
        {picked.length > 0 ? <Picked picked={picked} onClear={() => url.set({ picked: undefined })} /> : null}
        <span className="toolbar-end">
          <ViewsMenu experiment={experiment} path={pathname} search={withoutPicked(searchStr)} />
          <Picker
            isQuiet
            keepsOne
            of="column"
            hint="Find a metric, param or tag"
            choices={groups.map(({ label, columns }) => ({ label, options: columns }))}
            shown={shown}
            onShown={(ids) => url.set({ cols: columnsText(ids) })}
          >
            <Columns3 size={13} aria-hidden />
            Columns
          </Picker>
        </span>
      </div>
      <Found runs={runs} isFilterWrong={isFilterWrong} isFiltered={filter !== '' || lifecycle === 'deleted'}>
        {(items) =>
          isParallel ? (
            <ParallelCoordinates runs={items} columns={columns} colorBy={order.replace(/^-/, '')} />
          ) : (
            <RunsGrid
              rows={items}
              columns={columns}
              order={order}
              onOrder={(value) => url.set({ sort: value })}
              search={input}
              picked={picked}
              onPick={(ids) => url.set({ picked: ids.slice(-PICKED_MAX).join(',') })}
              onNearEnd={runs.more}
            />
          )
        }
      </Found>
    </>
  );
}

function Count({ runs }: { readonly runs: Runs }) {
  const { items, total, news, isLoading, again } = runs;
  const loaded = items?.length ?? 0;
  return (
    <>
      <span className="muted" aria-live="polite">
        {total === undefined
          ? '–'
          : loaded < total
            ? `${formatCount(loaded)} of ${formatCount(total)} runs loaded`
            : `${formatCount(total)} ${total === 1 ? 'run' : 'runs'}`}
      </span>
      {news > 0 ? (
        <button type="button" className="waiting" onClick={again}>
          {formatCount(news)} new
        </button>
      ) : null}
      {isLoading && items ? <span className="muted">loading…</span> : null}
    </>
  );
}

function Picked({ picked, onClear }: { readonly picked: readonly string[]; readonly onClear: () => void }) {
  return (
    <>
      <Go className="button button-main" to={places.comparedRuns(picked)}>
        <GitCompareArrows size={13} aria-hidden />
        Compare {picked.length}
      </Go>
      <button type="button" className="button button-quiet" onClick={onClear}>
        Clear
      </button>
    </>
  );
}

interface FoundProps {
  readonly runs: Runs;
  readonly isFilterWrong: boolean;
  readonly isFiltered: boolean;
  readonly children: (items: readonly TrackedRun[]) => ReactNode;
}

function Found({ runs, isFilterWrong, isFiltered, children }: FoundProps) {
  const { items, error, again } = runs;
  if (isFilterWrong) return <p className="table-none">Nothing is searched for until the filter can be read.</p>;
  if (error) return <Failure error={error} retry={again} />;
  if (!items) return <Loading rows={16} />;
  if (items.length > 0) return children(items);
  if (isFiltered) return <p className="table-none">No run matches.</p>;
  return (
    <Empty what="No run yet. MLflow's clients log to this experiment once they know where it is:" command={firstRun} />
  );
}

const firstRun = `import mlflow
mlflow.set_tracking_uri("${window.location.origin}")
with mlflow.start_run():
    mlflow.log_metric("auc", 0.91)`;

/** Values that the loaded runs have of a param or tag. */
function valuesOf(runs: readonly TrackedRun[], field: string): readonly string[] {
  const dot = field.indexOf('.');
  const [entity, key] = [field.slice(0, dot), field.slice(dot + 1)];
  if (entity !== 'params' && entity !== 'tags') return [];
  const values = new Set<string>();
  for (const run of runs) if (Object.hasOwn(run[entity], key)) values.add(run[entity][key] ?? '');
  return [...values].sort();
}

function withoutPicked(search: string): string {
  const values = new URLSearchParams(search);
  values.delete('picked');
  const text = values.toString();
  return text ? `?${text}` : '';
}
