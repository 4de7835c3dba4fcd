interface Navigator {
  readonly history: { replace(path: string): void };
}

/**
 * MLflow's clients print links to runs, experiments and versions as MLflow's own pages have them, behind a `#`:
 * `/#/experiments/1/runs/<id>`. The same paths without it lead to the same things here.
 */
export function followMlflowLink({ history }: Navigator): void {
  const follow = (): void => {
    const { pathname, hash } = window.location;
    if (pathname === '/' && hash.startsWith('#/')) history.replace(hash.slice(1));
  };
  follow();
  window.addEventListener('hashchange', follow);
}
