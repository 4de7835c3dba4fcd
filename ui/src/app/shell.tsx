import { useMantineColorScheme } from '@mantine/core';
import { useHotkeys } from '@mantine/hooks';
import { Outlet, useRouterState } from '@tanstack/react-router';
import { Monitor, Moon, Sun } from 'lucide-react';
import { useMemo, useState } from 'react';
import { exactTime } from '../data/format.ts';
import { type ConnectionState, useConnection } from '../data/live.ts';
import { Go } from '../kit/link.tsx';
import { PaletteContext } from '../kit/palette-context.ts';
import { places } from '../places.ts';
import { brandIcon as BrandIcon, navigation } from './navigation.ts';
import { Palette } from './palette.tsx';

/** What stands around every page. */
export function Shell() {
  const [isOpen, setOpen] = useState(false);
  const palette = useMemo(() => ({ open: () => setOpen(true) }), []);
  useHotkeys([['mod+K', () => setOpen(true)]], []);
  return (
    <PaletteContext value={palette}>
      <div className="frame">
        <Navigation />
        <main>
          <Outlet />
        </main>
      </div>
      <Palette isOpen={isOpen} onClose={() => setOpen(false)} />
    </PaletteContext>
  );
}

function Navigation() {
  const first = useRouterState({ select: (state) => state.location.pathname.split('/')[1] ?? '' });
  return (
    <nav className="nav" aria-label="Console">
      <Go to={places.home()} className="nav-brand">
        <BrandIcon size={17} aria-hidden />
        Kedge
      </Go>
      {navigation.map(({ group, items }) => (
        <div key={group}>
          {group ? <div className="nav-group">{group}</div> : null}
          {items.map(({ label, to, icon: Icon, owns }) => (
            <Go key={to} to={to} className="nav-item" aria-current={owns.includes(first) ? 'page' : undefined}>
              <Icon size={15} aria-hidden />
              {label}
            </Go>
          ))}
        </div>
      ))}
      <div className="nav-foot">
        <ConnectionDot />
        <ThemeToggle />
      </div>
    </nav>
  );
}

const connectionWords: Readonly<Record<ConnectionState, string>> = {
  live: 'Live',
  connecting: 'Reconnecting',
  offline: 'Offline, trying again',
};

function ConnectionDot() {
  const { state, lastEventAt } = useConnection();
  const last =
    lastEventAt === null ? 'no event yet since this page was opened' : `last event ${exactTime(lastEventAt)}`;
  return (
    <div className="connection" data-state={state} role="status" title={last}>
      <span className="connection-dot" aria-hidden />
      {connectionWords[state]}
    </div>
  );
}

const schemes = [
  ['light', Sun, 'Light theme'],
  ['dark', Moon, 'Dark theme'],
  ['auto', Monitor, 'Theme of the system'],
] as const;

function ThemeToggle() {
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset would bring a legend and a box of its own.
    <div className="theme-toggle" role="group" aria-label="Theme">
      {schemes.map(([scheme, Icon, label]) => (
        <button
          key={scheme}
          type="button"
          title={label}
          aria-label={label}
          aria-pressed={colorScheme === scheme}
          onClick={() => setColorScheme(scheme)}
        >
          <Icon size={14} aria-hidden />
        </button>
      ))}
    </div>
  );
}
