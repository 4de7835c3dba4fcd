import { createTheme, localStorageColorSchemeManager } from '@mantine/core';

/** The choice is kept under the key that index.html reads before the first paint. */
export const colorSchemes = localStorageColorSchemeManager({ key: 'kedge-color-scheme' });

export const theme = createTheme({
  fontFamily: 'var(--font)',
  fontFamilyMonospace: 'var(--mono)',
  fontSizes: { xs: '12px', sm: '13px', md: '13px', lg: '15px', xl: '18px' },
  defaultRadius: 3,
  cursorType: 'pointer',
  primaryColor: 'petrol',
  primaryShade: { light: 7, dark: 7 },
  colors: {
    petrol: [
      '#e8f3f8',
      '#d0e4ee',
      '#a6cde0',
      '#7ab6d1',
      '#57a2c4',
      '#3f94ba',
      '#217da6',
      '#0b6285',
      '#07506d',
      '#033d55',
    ],
  },
});
