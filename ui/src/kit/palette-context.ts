import { createContext, useContext } from 'react';

interface Palette {
  readonly open: () => void;
}

export const PaletteContext = createContext<Palette>({ open: () => {} });

export function usePalette(): Palette {
  return useContext(PaletteContext);
}
