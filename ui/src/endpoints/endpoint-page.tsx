import { useQuery } from '@tanstack/react-query';
import { Lock } from 'lucide-react';
import type { EndpointView } from '#serving/contract';
import { read } from '../data/read.ts';
import { usePathParams } from '../data/use-params.ts';
import { JsonBlock } from '../kit/copy.tsx';
import { Page, Section } from '../kit/page.tsx';
import { Load, Loading } from '../kit/states.tsx';
import { StatusChip } from '../kit/status.tsx';
import { TabBar, useTab } from '../kit/tabs.tsx';
import { places } from '../places.ts';
import { EndpointOverview } from './endpoint-overview.tsx';
import { Predictions } from './predictions.tsx';
import { RolloutActions } from './rollout-actions.tsx';
import { statusOfEndpoint } from './rollout-words.ts';
import { Rollouts } from './rollouts.tsx';
import { UnlockButton } from './unlock-button.tsx';

const tabs = [
  { id: 'overview', label: 'Overview' },
  { id: 'rollouts', label: 'Rollouts' },
  { id: 'predictions', label: 'Predictions' },
  { id: 'settings', label: 'Settings' },
] as const;

export function EndpointPage() {
  const { endpoint: name } = usePathParams('endpoint');
  const tab = useTab(['overview', 'rollouts', 'predictions', 'settings']);
  const endpoint = useQuery(read('serving', 'getEndpoint', { params: { endpoint: name } }));
  return (
    <Page
      title={name}
      crumbs={[{ label: 'Endpoints', to: places.endpoints() }]}
      state={endpoint.data ? <StatusChip {...statusOfEndpoint(endpoint.data)} /> : null}
      actions={endpoint.data ? <RolloutActions endpoint={endpoint.data} /> : null}
    >
      {endpoint.data?.locked ? <LockNotice endpoint={endpoint.data} /> : null}
      <TabBar tabs={tabs} current={tab} drop={['rollout', 'prediction']} />
      <Load query={endpoint} loading={<Loading rows={12} />}>
        {(view) => (
          <>
            {tab === 'overview' ? <EndpointOverview endpoint={view} /> : null}
            {tab === 'rollouts' ? <Rollouts endpoint={view} /> : null}
            {tab === 'predictions' ? <Predictions endpoint={view} /> : null}
            {tab === 'settings' ? (
              <Section title="Declared" note="Change it in the project's code and apply it.">
                <JsonBlock value={view.spec} />
              </Section>
            ) : null}
          </>
        )}
      </Load>
    </Page>
  );
}

function LockNotice({ endpoint }: { readonly endpoint: EndpointView }) {
  const { name, lockReason, current } = endpoint;
  return (
    <div className="notice" data-tone="attention">
      <Lock size={16} aria-hidden />
      <div>
        <strong>Locked: no rollout starts until a person unlocks it.</strong> {lockReason}
      </div>
      <UnlockButton name={name} current={current?.revision ?? null} />
    </div>
  );
}
