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
import { StatusChip } from '../kit/status.tsx';
import { TabBar, useTab } from '../kit/tabs.tsx';
import { placeOfSubject, places } from '../places.ts';
import { FileTree } from '../tracking/file-tree.tsx';
import { Approvals } from './approvals.tsx';
import { metricsOf, newestByKind, summaryOf } from './evidence-words.ts';
import { GateAnswers } from './gate-answers.tsx';
import { GateChecklist } from './gate-checklist.tsx';
import { History } from './history.tsx';
import { RunLink } from './run-link.tsx';
import { Signature } from './signature.tsx';
import { wordsOf } from './stages.ts';
import { AliasAction, StageAction } from './version-actions.tsx';

export function VersionPage() {
  const { model, version: text } = usePathParams('model', 'version');
  const version = Number(text);
  const tab = useTab(['overview', 'gate', 'signature', 'files', 'history']);
  const ofModel = useQuery(read('registry', 'getModel', { params: { model } }));
  const found = useQuery(read('registry', 'getVersion', { params: { model, version } }));
  return (
    <Page
      title={`version ${text}`}
      crumbs={[
        { label: 'Models', to: places.models() },
        { label: model, to: places.model(model) },
      ]}
      state={found.data ? <VersionState version={found.data} /> : null}
      actions={
        found.data && found.data.deletedAt === null ? (
          <>
            <AliasAction key={`alias-${version}`} version={found.data} label="Give an alias" />
            <StageAction key={`stage-${version}-${found.data.stage}`} version={found.data} />
          </>
        ) : null
      }
      lead={found.data?.description || undefined}
    >
      <TabBar
        tabs={[
          { id: 'overview', label: 'Overview' },
          { id: 'gate', label: 'Gate and approvals' },
          { id: 'signature', label: 'Signature', count: found.data?.signature.inputs.length },
          { id: 'files', label: 'Files', count: found.data?.artifacts.length },
          { id: 'history', label: 'History' },
        ]}
        current={tab}
        drop={['file', 'gate']}
      />
      <Load query={found} loading={<Loading rows={12} />}>
        {(view) => (
          <>
            {tab === 'overview' ? <Overview version={view} /> : null}
            {tab === 'gate' ? (
              <>
                {ofModel.data && view.deletedAt === null ? (
                  <GateChecklist model={ofModel.data} version={version} />
                ) : null}
                <Approvals of={{ model: view.model, version }} aside={<ApproveButton version={view} />} />
                <GateAnswers model={view.model} version={version} />
              </>
            ) : null}
            {tab === 'signature' ? <Signature version={view} /> : null}
            {tab === 'files' ? (
              <FileTree files={view.artifacts} empty={<Empty what="This version has no files." />} />
            ) : null}
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
          const metrics = figuresOf(newestByKind(items));
          return (
            <>
              {metrics.length > 0 ? <KeyFigures figures={metrics} /> : null}
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
    </Columns>
  );
}

/** The numbers that evidence brings. One that several kinds bring is told apart by its kind. */
function figuresOf(evidence: readonly Evidence[]): { readonly label: string; readonly value: string }[] {
  const all = evidence.flatMap((each) => metricsOf(each).map((metric) => ({ ...metric, kind: each.kind })));
  const isShared = (name: string) => all.filter((metric) => metric.name === name).length > 1;
  return all.map(({ name, value, kind }) => ({
    label: isShared(name) ? `${name}, ${kind}` : name,
    value: formatNumber(value),
  }));
}

function VersionState({ version }: { readonly version: ModelVersion }) {
  const { semanticVersion, stage, stageStatus, aliases, status, deletedAt } = version;
  const names = aliases.map((alias) => `@${alias}`).join(' ');
  return (
    <>
      <span className="muted">{semanticVersion}</span>
      <span>
        {stage} <span className="muted">{wordsOf(stageStatus)}</span>
      </span>
      {names ? <span>{names}</span> : null}
      {status === 'failed' ? <StatusChip status="failed" /> : null}
      {deletedAt === null ? null : <span className="muted">deleted</span>}
    </>
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
          ['Semantic', version.semanticVersion],
          ['Stage', `${version.stage}, ${wordsOf(version.stageStatus)}`],
          ['Aliases', version.aliases.map((alias) => `@${alias}`).join(', ') || 'none'],
          ...(version.modelFile.path
            ? ([['Model file', `${version.modelFile.path}, ${formatBytes(version.modelFile.bytes)}`]] as const)
            : []),
          ...(version.statusMessage ? ([['Message', version.statusMessage]] as const) : []),
          ['Deleted', version.deletedAt === null ? 'no' : <Age key="deleted" at={version.deletedAt} />],
        ]}
      />
      <Facts
        title="Lineage"
        items={[
          ['Run', runId ? <RunLink key="run" run={runId} /> : 'none named'],
          ...(version.modelId ? ([['Logged model', <Id key="model" value={version.modelId} />]] as const) : []),
          ...(version.source ? ([['From', version.source]] as const) : []),
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

function ApproveButton({ version }: { readonly version: ModelVersion }) {
  const params = { model: version.model, version: version.version };
  const name = `${version.model}@${version.version}`;
  return (
    <>
      <Action
        label="Refuse unsigned"
        title={`Refuse ${name}?`}
        effect={<p>Your refusal stands until you approve it: gates that ask for approvals deny {name} meanwhile.</p>}
        confirm="Refuse"
        reason={{ label: 'Why', lengthMin: 1 }}
        run={(reason) => kedge.registry.approveVersion({ params, body: { approved: false, reason } })}
      />
      <Action
        label="Approve unsigned"
        title={`Approve ${name}?`}
        effect={
          <p>
            Your approval counts, by your name, for every gate that asks for approvals of {name} and does not want them
            signed.
          </p>
        }
        confirm="Approve"
        reason={{ label: 'What you looked at', lengthMin: 1 }}
        run={(reason) => kedge.registry.approveVersion({ params, body: { approved: true, reason } })}
      />
    </>
  );
}
