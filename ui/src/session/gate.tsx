import { useQueryClient } from '@tanstack/react-query';
import { type ReactNode, useEffect, useState } from 'react';
import { type Entry, enter, isUnknown } from './enter.ts';
import { SignIn } from './sign-in.tsx';

interface SessionGateProps {
  /** Called when somebody is in for the first time. */
  readonly onEnter: () => void;
  readonly children: ReactNode;
}

/** Shows the console to whoever is signed in, and the way in to everybody else, also when a session has ended. */
export function SessionGate({ onEnter, children }: SessionGateProps) {
  const [entry, setEntry] = useState<Entry | undefined>();
  const [wasIn, setWasIn] = useState(false);
  const queryClient = useQueryClient();

  useEffect(() => {
    void enter().then(setEntry);
  }, []);
  useEffect(
    () =>
      queryClient.getQueryCache().subscribe(({ query }) => {
        if (isUnknown(query.state.error)) setEntry({ isIn: false });
      }),
    [queryClient],
  );
  useEffect(() => {
    if (!entry?.isIn || wasIn) return;
    setWasIn(true);
    onEnter();
  }, [entry, wasIn, onEnter]);

  if (!entry) return null;
  if (entry.isIn) return children;
  const enterAgain = (): void => {
    queryClient.clear();
    setEntry({ isIn: true });
  };
  return <SignIn error={entry.error} onSignedIn={enterAgain} />;
}
