import type { ModelVersion, RegisteredModel } from '#registry/contract';
import { Age } from '../kit/age.tsx';
import { Go } from '../kit/link.tsx';
import { Section } from '../kit/page.tsx';
import { Empty } from '../kit/states.tsx';
import { places } from '../places.ts';
import { stages, wordsOf } from './stages.ts';
import { AliasAction } from './version-actions.tsx';

const SHOWN_MAX = 12;

interface BoardProps {
  readonly model: RegisteredModel;
  readonly versions: readonly ModelVersion[];
}

/** Where each version stands, and which of them go by a name. */
export function Board({ model, versions }: BoardProps) {
  return (
    <>
      <Section title="Aliases" note="a protected one moves only when the gate allows it">
        <Aliases model={model} versions={versions} />
      </Section>
      <Section title="Stages" note="Production asks the gate">
        <div className="board">
          {stages.map((stage) => {
            const here = versions.filter((version) => version.stage === stage);
            return (
              <section
                key={stage}
                className="board-stage"
                aria-label={stage}
                data-empty={here.length === 0 || undefined}
              >
                <h3>
                  {stage} <span className="muted">{here.length}</span>
                </h3>
                <ul>
                  {here.slice(0, SHOWN_MAX).map((version) => (
                    <li key={version.version}>
                      <Go to={places.version(version.model, version.version)} className="board-version">
                        <strong>
                          version {version.version} <span className="muted">{version.semanticVersion}</span>
                        </strong>
                        <span className="muted">
                          {wordsOf(version.stageStatus)}, <Age at={version.createdAt} />
                        </span>
                        {version.aliases.length > 0 ? (
                          <span>{version.aliases.map((alias) => `@${alias}`).join(' ')}</span>
                        ) : null}
                      </Go>
                    </li>
                  ))}
                </ul>
                {here.length > SHOWN_MAX ? <p className="muted">and {here.length - SHOWN_MAX} older</p> : null}
              </section>
            );
          })}
        </div>
      </Section>
    </>
  );
}

function Aliases({ model, versions }: BoardProps) {
  const names = [...new Set([...model.protectedAliases, ...Object.keys(model.aliases)])].sort();
  if (names.length === 0) {
    return (
      <Empty
        what="No version goes by a name yet."
        command={`client.set_registered_model_alias("${model.name}", "champion", 1)`}
      />
    );
  }
  return (
    <div className="table-scroller">
      <table className="table board-aliases" aria-label="Aliases">
        <thead>
          <tr>
            <th scope="col">Alias</th>
            <th scope="col">Version</th>
            <th scope="col">Protected</th>
            <th scope="col" aria-label="Actions" />
          </tr>
        </thead>
        <tbody>
          {names.map((alias) => {
            const version = Object.hasOwn(model.aliases, alias) ? model.aliases[alias] : undefined;
            const newest = versions[0];
            return (
              <tr key={alias}>
                <td>@{alias}</td>
                <td>
                  {version === undefined ? (
                    <span className="muted">none</span>
                  ) : (
                    <Go to={places.version(model.name, version)}>version {version}</Go>
                  )}
                </td>
                <td>{model.protectedAliases.includes(alias) ? 'by the gate' : 'no'}</td>
                <td>{newest ? <AliasAction version={newest} alias={alias} label="Move" /> : null}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}
