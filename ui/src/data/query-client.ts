import { QueryClient } from '@tanstack/react-query';
import { ProblemError } from '#client';

/** Answers stay fresh until an event of their domain arrives; the age limit is for streams that broke unnoticed. */
export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 60_000,
      refetchOnWindowFocus: false,
      retry: (failures, error) => failures < 2 && !(error instanceof ProblemError && error.problem.status < 500),
    },
  },
});
