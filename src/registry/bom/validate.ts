/** Compiling the schemas takes half a second, so it is done for the first document only. */
const validator = lazily(async () => {
  const { Spec, Validation } = await import('@cyclonedx/cyclonedx-library');
  return new Validation.JsonStrictValidator(Spec.Version.v1dot7);
});

/**
 * Validates a document against the official JSON schema of CycloneDX 1.7, which comes with the library of its project.
 * Returns what does not fit, in words; none when it is valid.
 */
export async function bomProblems(text: string): Promise<readonly string[]> {
  const found: unknown = await (await validator()).validate(text);
  if (found === null) return [];
  const errors = Array.isArray(found) ? found : [found];
  return errors.map((error: { instancePath?: string; message?: string }) => {
    return `${error.instancePath || '/'}: ${error.message ?? JSON.stringify(error)}`;
  });
}

function lazily<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make();
    return made;
  };
}
