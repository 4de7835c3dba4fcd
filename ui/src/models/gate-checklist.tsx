import { useQuery } from '@tanstack/react-query';
import type { RegisteredModel } from '#registry/contract';
import { kedge, read } from '../data/read.ts';
import { useUrl } from '../data/use-url.ts';
import { Action } from '../kit/action.tsx';
import { Checklist } from '../kit/checklist.tsx';
import { Section } from '../kit/page.tsx';
import { Empty, Load } from '../kit/states.tsx';
import { StatusChip } from '../kit/status.tsx';
import { Choice } from '../kit/tabs.tsx';

interface GateChecklistProps {
  readonly model: RegisteredModel;
  readonly version: number;
}

type Place = { readonly transition: 'stage' | 'alias'; readonly target: string };

/** What the version shows and what it lacks for a protected place, as the gate would answer now. */
export function GateChecklist({ model, version }: GateChecklistProps) {
  const url = useUrl();
  const aliases = model.protectedAliases.length > 0 ? model.protectedAliases : ['champion'];
  const options = ['Production', ...aliases.map((alias) => `@${alias}`)];
  const chosen = options.find((each) => each === url.get('gate')) ?? 'Production';
  const place: Place = chosen.startsWith('@')
    ? { transition: 'alias', target: chosen.slice(1) }
    : { transition: 'stage', target: chosen };
  const query = { model: model.name, version, ...place };
  const checklist = useQuery(read('governance', 'gateChecklist', { query }));
  return (
    <Section
      title="What the gate asks for"
      note="as it would answer now; nothing is decided by looking"
      aside={
        <Choice
          label="Place"
          options={options.map((each) => [each, each] as const)}
          value={chosen}
          onChange={(value) => url.set({ gate: value === 'Production' ? undefined : value })}
        />
      }
    >
      <Load query={checklist}>
        {({ allow, items, policies }) =>
          policies.length === 0 ? (
            <Empty what={`No policy applies to ${chosen}: every version may go there.`} />
          ) : (
            <>
              <div className="gate-verdict">
                <StatusChip status={allow ? 'allowed' : 'denied'} />
                <span>
                  {allow
                    ? `Version ${version} may go to ${chosen}.`
                    : `${items.filter(({ met }) => !met).length} of ${items.length} are missing for ${chosen}.`}
                </span>
                <RequestApproval model={model.name} version={version} place={place} />
              </div>
              <Checklist
                checks={items.map(({ policy, item, met, text }, index) => ({
                  id: `${policy}:${item}:${index}`,
                  label: item,
                  status: met ? 'passed' : 'missing',
                  summary: text.startsWith(`${item}: `) ? text.slice(item.length + 2) : text,
                  aside: `policy ${policy}`,
                }))}
              />
            </>
          )
        }
      </Load>
    </Section>
  );
}

interface RequestApprovalProps {
  readonly model: string;
  readonly version: number;
  readonly place: Place;
}

function RequestApproval({ model, version, place }: RequestApprovalProps) {
  const where = place.transition === 'alias' ? `@${place.target}` : place.target;
  return (
    <Action
      label="Ask for approval"
      title={`Ask for ${model}@${version} to be approved for ${where}?`}
      effect={
        <p>Approvers see the request here and on the page of Governance. Whoever made the version decides nothing.</p>
      }
      confirm="Ask"
      reason={{ label: 'What they should know', lengthMin: 1 }}
      run={(reason) => kedge.governance.requestApproval({ body: { model, version, ...place, reason } })}
    />
  );
}
