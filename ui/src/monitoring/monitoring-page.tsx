import { useQuery } from '@tanstack/react-query';
import type { MonitorSpec } from '#monitoring/contract';
import { read } from '../data/read.ts';
import { usePathParams } from '../data/use-params.ts';
import { useUrl } from '../data/use-url.ts';
import { EventTime } from '../kit/age.tsx';
import { Go } from '../kit/link.tsx';
import { Page } from '../kit/page.tsx';
import { Empty, Load } from '../kit/states.tsx';
import { StatusChip } from '../kit/status.tsx';
import { Choice, TabBar, useTab } from '../kit/tabs.tsx';
import { places } from '../places.ts';
import { Drift } from './drift.tsx';
import { Figures, LinesChoice } from './figures.tsx';
import { RangePicker } from './range-picker.tsx';
import { Signals } from './signals.tsx';
import { Skew } from './skew.tsx';

export interface Monitored {
  readonly endpoint: string;
  readonly monitor: string;
  readonly spec: MonitorSpec;
}

export function MonitoringPage() {
  const { endpoint } = usePathParams('endpoint');
  const url = useUrl();
  const tab = useTab(['figures', 'drift', 'signals', 'skew']);
  const resources = useQuery(read('resources', 'listResources', { query: { kind: 'monitor' } }));
  const summary = useQuery(read('monitoring', 'getSummary', { params: { endpoint } }));
  const monitors = (resources.data?.items ?? [])
    .map(({ name, spec }) => ({ endpoint, monitor: name, spec: spec as MonitorSpec }))
    .filter(({ spec }) => spec.endpoint === endpoint);
  const chosen = monitors.find(({ monitor }) => monitor === url.get('monitor')) ?? monitors[0];
  const shown = summary.data?.monitors.find(({ monitor }) => monitor === chosen?.monitor);
  const firing = shown?.firing.length ?? 0;
  return (
    <Page
      title={endpoint}
      crumbs={[{ label: 'Monitoring', to: places.monitoring() }]}
      state={shown ? <StatusChip status={firing > 0 ? 'firing' : 'ok'} /> : null}
      actions={
        <Go className="button" to={places.endpoint(endpoint)}>
          Endpoint
        </Go>
      }
      lead={
        shown && chosen ? (
          <>
            Windows of {chosen.spec.window}; inputs evaluated until <EventTime at={shown.inputsUntil} />,
            {' quality until '}
            <EventTime at={shown.qualityUntil} /> (event time, UTC).
          </>
        ) : null
      }
    >
      <TabBar
        tabs={[
          { id: 'figures', label: 'Figures' },
          { id: 'drift', label: 'Drift' },
          { id: 'signals', label: 'Signals' },
          { id: 'skew', label: 'Skew audit' },
        ]}
        current={tab}
        drop={['q', 'sort', 'cols', 'feature', 'window', 'view']}
      />
      <div className="toolbar">
        {monitors.length > 1 ? (
          <Choice
            label="Monitor"
            options={monitors.map(({ monitor }) => [monitor, monitor] as const)}
            value={chosen?.monitor ?? ''}
            onChange={(monitor) => url.set({ monitor })}
          />
        ) : null}
        {tab === 'figures' || tab === 'drift' ? <RangePicker until={shown?.inputsUntil} /> : null}
        {tab === 'figures' ? <LinesChoice /> : null}
      </div>
      <Load query={resources}>
        {() => {
          if (tab === 'signals') return <Signals endpoint={endpoint} />;
          if (tab === 'skew') return <Skew endpoint={endpoint} />;
          if (!chosen) return <NoMonitor endpoint={endpoint} />;
          return tab === 'figures' ? <Figures of={chosen} /> : <Drift of={chosen} />;
        }}
      </Load>
    </Page>
  );
}

function NoMonitor({ endpoint }: { readonly endpoint: string }) {
  return (
    <Empty
      what={`No monitor watches ${endpoint}.`}
      command={`kedge apply kedge.ts   # with monitor('quality', { endpoint: '${endpoint}', window: '1d' }) in it`}
    />
  );
}
