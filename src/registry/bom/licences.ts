/** A licence as CycloneDX states it: by its SPDX identifier, as an SPDX expression, or by whatever it is called. */
export type Licence =
  | { readonly license: { readonly id: string } | { readonly name: string } }
  | { readonly expression: string };

/**
 * Finds the SPDX identifier that a text means, in its right spelling. What is not a text counts as not found: the table
 * of the CycloneDX library is a plain object, so that `__proto__` and `constructor` find what every object has.
 */
export type SpdxLookup = (text: string) => unknown;

const NAME_CHARS_MAX = 500;

export function licenceOf(text: string, spdxIdOf: SpdxLookup): Licence {
  const name = text.trim().slice(0, NAME_CHARS_MAX);
  const id = spdxIdOf(name);
  if (typeof id === 'string') return { license: { id } };
  return isExpression(name, spdxIdOf) ? { expression: name } : { license: { name } };
}

/** Whether the words alternate between licences and operators; brackets must be paired. SPDX 2.3, annex D. */
function isExpression(text: string, spdxIdOf: SpdxLookup): boolean {
  const words = text.match(/[()]|[A-Za-z0-9.+-]+/g) ?? [];
  if (words.length < 3 || words.join('') !== text.replace(/\s+/g, '')) return false;
  let depth = 0;
  let wanted: 'licence' | 'exception' | 'operator' = 'licence';
  for (const word of words) {
    if (word === '(' && wanted === 'licence') depth += 1;
    else if (word === ')' && wanted === 'operator' && depth > 0) depth -= 1;
    else if (wanted === 'operator' && (word === 'AND' || word === 'OR')) wanted = 'licence';
    else if (wanted === 'operator' && word === 'WITH') wanted = 'exception';
    else if (wanted === 'exception' && /exception/i.test(word)) wanted = 'operator';
    else if (wanted === 'licence' && isLicence(word, spdxIdOf)) wanted = 'operator';
    else return false;
  }
  return depth === 0 && wanted === 'operator';
}

function isLicence(word: string, spdxIdOf: SpdxLookup): boolean {
  return /^LicenseRef-[A-Za-z0-9.-]+$/.test(word) || spdxIdOf(word.replace(/\+$/, '')) === word.replace(/\+$/, '');
}
