import { useQuery } from '@tanstack/react-query';
import type { EndpointView, RolloutView } from '#serving/contract';
import { formatNumber, formatPercent } from '../data/format.ts';
import { read } from '../data/read.ts';
import { Age, EventTime } from '../kit/age.tsx';
import { KeyFigures } from '../kit/key-figures.tsx';
import { Go } from '../kit/link.tsx';
import { Columns, Facts, Section } from '../kit/page.tsx';
import { Empty, Load, Loading } from '../kit/states.tsx';
import { places } from '../places.ts';
import { RolloutDetail } from './rollout-detail.tsx';
import { candidatesOf, isActive } from './rollout-words.ts';

export function EndpointOverview({ endpoint }: { readonly endpoint: EndpointView }) {
  return (
    <Columns facts={<EndpointFacts endpoint={endpoint} />}>
      <Traffic endpoint={endpoint} />
      <LatestRollout endpoint={endpoint} />
    </Columns>
  );
}

/** The rollout under way, else the last one: what changed last, or changes now. */
function LatestRollout({ endpoint }: { readonly endpoint: EndpointView }) {
  const past = useQuery(read('serving', 'listRollouts', { params: { endpoint: endpoint.name }, query: { limit: 1 } }));
  if (endpoint.rollout) return <RolloutDetail summary={endpoint.rollout} endpoint={endpoint} />;
  return (
    <Load query={past} loading={<Loading rows={8} />}>
      {({ items: [last] }) =>
        last ? (
          <RolloutDetail summary={last} endpoint={endpoint} />
        ) : (
          <Section title="Rollout">
            <Empty
              what="No version has been rolled out here yet. The first that the gate lets through is current at once."
              command={`kedge run <pipeline that registers ${endpoint.spec.model}>`}
            />
          </Section>
        )
      }
    </Load>
  );
}

/** Who answers which share of the requests now. */
function Traffic({ endpoint }: { readonly endpoint: EndpointView }) {
  const { current, rollout } = endpoint;
  const summary = useQuery(read('monitoring', 'getSummary', { params: { endpoint: endpoint.name } })).data;
  const isShared = rollout !== null && isActive(rollout.stage);
  const weight = isShared ? rollout.weight : 0;
  return (
    <>
      <KeyFigures
        figures={[
          {
            label: 'Current revision',
            value: current?.revision ?? 'none',
            note: current ? (
              <>
                since <Age at={current.since} />
              </>
            ) : null,
          },
          ...(isShared ? [candidateFigure(rollout)] : []),
          { label: 'Predictions', value: summary ? formatNumber(summary.predictions.total) : '–' },
          {
            label: 'Labelled',
            value: summary?.predictions.total
              ? formatPercent(summary.predictions.labelled / summary.predictions.total, 0)
              : '–',
          },
        ]}
      />
      {isShared && weight > 0 ? (
        <div className="traffic">
          <div className="bar" aria-hidden>
            {partsOf(rollout).map(({ label, share }) => (
              <div key={label} className="bar-part" data-arm="candidate" style={{ width: `${share}%` }} />
            ))}
            <div className="bar-part" style={{ flex: 1 }} />
          </div>
          <span>
            {partsOf(rollout)
              .map(({ label, share }) => `${label} answers ${formatNumber(share, 3)} %`)
              .join(' · ')}
          </span>
          <span>{`${current?.revision ?? 'nothing'} answers ${formatNumber(100 - weight)} %`}</span>
        </div>
      ) : null}
    </>
  );
}

/** Who beside the current revision answers which share now. */
function partsOf({ model, candidate, weight, live }: RolloutView): readonly { label: string; share: number }[] {
  if (!live?.arms) return [{ label: `${model}@${candidate}`, share: weight }];
  return live.arms
    .filter(({ name, weight: share }) => name !== 'current' && share > 0)
    .map(({ name, version, weight: share }) => ({ label: `${name} (${model}@${version})`, share }));
}

function candidateFigure(rollout: RolloutView) {
  return {
    label: rollout.live?.arms ? 'Candidates' : 'Candidate',
    value: <Go to={places.version(rollout.model, rollout.candidate)}>{candidatesOf(rollout)}</Go>,
    note:
      rollout.weight > 0 ? `answers ${formatNumber(rollout.weight)} % of requests` : 'scored beside, answers nobody',
  };
}

function EndpointFacts({ endpoint }: { readonly endpoint: EndpointView }) {
  const { spec, name } = endpoint;
  const { guardrail } = spec;
  const watermark = useQuery(read('monitoring', 'getSummary', { params: { endpoint: name } })).data?.watermark;
  return (
    <>
      <Facts
        title="Endpoint"
        items={[
          [
            'Model',
            <Go key="model" to={places.model(spec.model)}>
              {spec.model}
            </Go>,
          ],
          ['Alias', `${spec.champion} follows the current revision`],
          ['Features', <FeatureLinks key="features" views={spec.features?.views ?? []} />],
          ['New versions', spec.challengers === 'automatic' ? 'roll out by themselves' : 'wait for a person'],
          ['Waiting', endpoint.queued === null ? 'none' : `version ${endpoint.queued}`],
          ['Timeout', `${spec.timeoutMs} ms`],
          ['Labels within', spec.labelLateness],
          ['Complete until', <EventTime key="watermark" at={watermark} />],
          [
            'Quality',
            <Go key="monitoring" to={places.monitored(name)}>
              figures and drift
            </Go>,
          ],
        ]}
      />
      <Facts
        title="Guardrail: takes a candidate out within the second"
        items={[
          ['Error rate', `over ${formatPercent(guardrail.errorRateMax)}`],
          ['Latency p95', `over ${guardrail.latencyP95MsMax} ms`],
          ['Counted', `over ${guardrail.window}, from ${guardrail.requestsMin} requests`],
        ]}
      />
      <Facts
        title="Decision"
        items={[
          [
            'Margin',
            spec.rollout.decision.margin === 0 ? 'any improvement' : `${spec.rollout.decision.margin} log loss`,
          ],
          ['Error level', `${formatPercent(spec.rollout.decision.alpha, 0)} over all looks`],
          ['Shadow', `at most ${spec.rollout.shadow.maxDuration}`],
          ['Burn-in', `${spec.rollout.decision.burnInBlocks} hours`],
        ]}
      />
    </>
  );
}

function FeatureLinks({ views }: { readonly views: readonly string[] }) {
  if (views.length === 0) return 'sent with the request';
  return views.map((view, index) => (
    <span key={view}>
      {index > 0 ? ', ' : ''}
      <Go to={places.featureView(view)}>{view}</Go>
    </span>
  ));
}
