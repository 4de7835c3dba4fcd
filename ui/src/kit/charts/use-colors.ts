import { useComputedColorScheme } from '@mantine/core';
import { useMemo } from 'react';

export type ColorName =
  | 'ink'
  | 'muted'
  | 'faint'
  | 'line'
  | 'panel'
  | 'accent'
  | 'warn'
  | 'bad'
  | 'ok'
  | 'series-1'
  | 'series-2'
  | 'series-3'
  | 'series-4';

export type Colors = (name: ColorName) => string;

/** The page's colours for what is drawn on a canvas, renewed when the theme changes. */
export function useColors(): Colors {
  const scheme = useComputedColorScheme('light');
  return useMemo(() => {
    const style = getComputedStyle(document.documentElement);
    const known = new Map<string, string>();
    // The scheme names the attribute on the root element that decides what these variables are.
    return (name) => {
      const key = `${scheme}:${name}`;
      const color = known.get(key) ?? style.getPropertyValue(`--${name}`).trim();
      known.set(key, color);
      return color;
    };
  }, [scheme]);
}
