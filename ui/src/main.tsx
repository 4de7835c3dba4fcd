import { MantineProvider } from '@mantine/core';
import { QueryClientProvider } from '@tanstack/react-query';
import { RouterProvider } from '@tanstack/react-router';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import './styles/index.css';
import { followMlflowLink } from './app/follow-mlflow-link.ts';
import { reloadWhenReplaced } from './app/reload-when-replaced.ts';
import { router } from './app/router.tsx';
import { colorSchemes, theme } from './app/theme.ts';
import { startLive } from './data/live.ts';
import { queryClient } from './data/query-client.ts';
import { SessionGate } from './session/gate.tsx';

const root = document.getElementById('root');
if (!root) throw new Error('index.html has no element #root');
reloadWhenReplaced();
followMlflowLink(router);
const followEvents = (): void => startLive(queryClient);
createRoot(root).render(
  <StrictMode>
    <MantineProvider theme={theme} colorSchemeManager={colorSchemes} defaultColorScheme="auto">
      <QueryClientProvider client={queryClient}>
        <SessionGate onEnter={followEvents}>
          <RouterProvider router={router} />
        </SessionGate>
      </QueryClientProvider>
    </MantineProvider>
  </StrictMode>,
);
