import { useParams } from '@tanstack/react-router';

/** The parts of the page's path by name. A name that the path does not have is a mistake in the router. */
export function usePathParams<const Name extends string>(...names: readonly Name[]): Readonly<Record<Name, string>> {
  const params = useParams({ strict: false }) as Readonly<Record<string, string | undefined>>;
  const found = names.map((name) => {
    const value = params[name];
    if (value === undefined) throw new Error(`the path of this page has no part $${name}`);
    return [name, value];
  });
  return Object.fromEntries(found) as Record<Name, string>;
}
