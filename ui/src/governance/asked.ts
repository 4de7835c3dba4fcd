const verbs: Readonly<Record<string, string>> = {
  serve: 'serve',
  alias: 'take the alias',
  stage: 'reach the stage',
};

/** What a version asks the gate for, as in `reach the stage Production`. */
export function askedFor(transition: string, target: string): string {
  return `${verbs[transition] ?? transition} ${target}`;
}
