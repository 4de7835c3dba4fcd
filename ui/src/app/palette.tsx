import { Modal } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useRouter } from '@tanstack/react-router';
import { type KeyboardEvent, useEffect, useMemo, useRef, useState } from 'react';
import { read } from '../data/read.ts';
import { placeOfSubject, places } from '../places.ts';
import { navigation } from './navigation.ts';

interface Target {
  readonly label: string;
  readonly kind: string;
  readonly to: string;
}

const SHOWN_MAX = 50;
const RUNS_MAX = 50;
const EXPERIMENTS_MAX = 500;

/** Goes to any page or resource by a few letters of its name. */
export function Palette({ isOpen, onClose }: { readonly isOpen: boolean; readonly onClose: () => void }) {
  return (
    <Modal
      opened={isOpen}
      onClose={onClose}
      withCloseButton={false}
      size={560}
      yOffset="12vh"
      transitionProps={{ duration: 0 }}
      aria-label="Go to"
    >
      <PaletteSearch onDone={onClose} />
    </Modal>
  );
}

function PaletteSearch({ onDone }: { readonly onDone: () => void }) {
  const router = useRouter();
  const targets = useTargets();
  const [text, setText] = useState('');
  const [marked, setMarked] = useState(0);
  const list = useRef<HTMLDivElement>(null);
  const found = useMemo(() => matching(targets, text), [targets, text]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the marked item is found in the page, not in the list.
  useEffect(() => {
    list.current?.querySelector('[aria-selected=true]')?.scrollIntoView({ block: 'nearest' });
  }, [marked]);

  function go(target: Target | undefined): void {
    if (!target) return;
    router.history.push(target.to);
    onDone();
  }
  function onKey(event: KeyboardEvent): void {
    if (event.key === 'ArrowDown') setMarked(Math.min(found.length - 1, marked + 1));
    else if (event.key === 'ArrowUp') setMarked(Math.max(0, marked - 1));
    else if (event.key === 'Enter') go(found[marked]);
    else return;
    event.preventDefault();
  }
  return (
    <>
      <input
        data-autofocus
        className="input"
        style={{ width: '100%', height: 36 }}
        placeholder="Page, dataset, pipeline, run, experiment, model, endpoint…"
        aria-label="Go to"
        role="combobox"
        aria-expanded="true"
        aria-controls="palette-list"
        aria-activedescendant={found[marked] ? `palette-${marked}` : undefined}
        value={text}
        onKeyDown={onKey}
        onChange={(event) => {
          setText(event.currentTarget.value);
          setMarked(0);
        }}
      />
      <div className="palette-list" id="palette-list" role="listbox" aria-label="Places" ref={list}>
        {found.map((target, index) => (
          <button
            key={target.to}
            id={`palette-${index}`}
            type="button"
            role="option"
            tabIndex={-1}
            className="palette-item"
            aria-selected={index === marked}
            onPointerMove={() => setMarked(index)}
            onClick={() => go(target)}
          >
            {target.label}
            <span className="palette-kind">{target.kind}</span>
          </button>
        ))}
        {found.length === 0 ? <p className="table-none">Nothing has these letters.</p> : null}
      </div>
    </>
  );
}

function useTargets(): readonly Target[] {
  const resources = useQuery(read('resources', 'listResources')).data?.items;
  const models = useQuery(read('registry', 'listModels')).data?.items;
  const experiments = useQuery(read('tracking', 'listExperiments', { query: { limit: EXPERIMENTS_MAX } })).data?.items;
  const runs = useQuery(read('pipelines', 'listPipelineRuns', { query: { limit: RUNS_MAX } })).data?.items;
  return useMemo(() => {
    const pages = navigation.flatMap(({ items }) => items.map(({ label, to }) => ({ label, kind: 'page', to })));
    const named = (resources ?? []).map(({ kind, name, spec }) => ({
      label: name,
      kind,
      to: kind === 'monitor' ? places.monitored(String(spec['endpoint'])) : (placeOfSubject(`${kind}/${name}`) ?? '/'),
    }));
    return [
      ...pages,
      ...named,
      ...(models ?? []).map(({ name }) => ({ label: name, kind: 'model', to: places.model(name) })),
      ...(experiments ?? []).map(({ id, name }) => ({ label: name, kind: 'experiment', to: places.experiment(id) })),
      ...(runs ?? []).map(({ run, pipeline }) => ({ label: run, kind: `run of ${pipeline}`, to: places.run(run) })),
    ];
  }, [resources, models, experiments, runs]);
}

/** Targets that have all words in their name or kind; those whose name begins with the text come first. */
function matching(targets: readonly Target[], text: string): readonly Target[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const found = targets.filter(({ label, kind }) =>
    words.every((word) => `${label} ${kind}`.toLowerCase().includes(word)),
  );
  const first = words[0] ?? '';
  const rank = ({ label }: Target) => (label.toLowerCase().startsWith(first) ? 0 : 1);
  return found.toSorted((a, b) => rank(a) - rank(b)).slice(0, SHOWN_MAX);
}
