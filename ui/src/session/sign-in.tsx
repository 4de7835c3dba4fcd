import { useMutation, useQuery } from '@tanstack/react-query';
import { type FormEvent, useEffect, useState } from 'react';
import { kedge, read } from '../data/read.ts';
import { Failure } from '../kit/states.tsx';

interface SignInProps {
  /** Why the link did not let anybody in, if one brought the browser here. */
  readonly error?: Error | undefined;
  readonly onSignedIn: () => void;
}

/** The way in: a name and password, a key or token, or the identity provider where there is one. */
export function SignIn({ error, onSignedIn }: SignInProps) {
  const [user, setUser] = useState('');
  const [secret, setSecret] = useState('');
  const methods = useQuery(read('session', 'getSignInMethods'));
  const signIn = useMutation({
    mutationFn: () => kedge.session.signIn({ body: user === '' ? { token: secret } : { user, password: secret } }),
    onSuccess: onSignedIn,
  });
  useEffect(() => {
    document.title = 'Sign in · Kedge';
  }, []);
  function submit(event: FormEvent): void {
    event.preventDefault();
    signIn.mutate();
  }
  const failure = signIn.error ?? error;
  return (
    <main className="page" style={{ maxWidth: 380, margin: '12vh auto' }}>
      <h1>Sign in to Kedge</h1>
      {failure ? <Failure error={failure} /> : null}
      <form onSubmit={submit} className="action">
        <label>
          <span className="field-label">User; empty for a key or token</span>
          <input
            className="input"
            name="username"
            autoComplete="username"
            autoCapitalize="none"
            value={user}
            onChange={(event) => setUser(event.currentTarget.value)}
          />
        </label>
        <label>
          <span className="field-label">{user === '' ? 'Key or token' : 'Password'}</span>
          <input
            className="input"
            name="password"
            type="password"
            autoComplete="current-password"
            required
            value={secret}
            onChange={(event) => setSecret(event.currentTarget.value)}
          />
        </label>
        <button type="submit" className="button button-main" disabled={signIn.isPending}>
          Sign in
        </button>
      </form>
      {methods.data?.oidc ? (
        <p>
          <a className="button" href="/api/v1/session/oidc">
            Sign in at the identity provider
          </a>
        </p>
      ) : null}
      <p className="muted">
        Nobody has an account yet? <code>kedge up</code> prints a link at its first start, and{' '}
        <code>kedge login --link</code> another one.
      </p>
    </main>
  );
}
