import type { Random } from '#core/random';

const KINDS = [
  ...['able', 'agile', 'amber', 'bold', 'brave', 'bright', 'calm', 'clever', 'crisp', 'eager', 'fair', 'fleet'],
  ...['gentle', 'glad', 'grand', 'handy', 'keen', 'kind', 'lively', 'lucid', 'merry', 'neat', 'nimble', 'proud'],
  ...['quick', 'quiet', 'rare', 'serene', 'sharp', 'smooth', 'steady', 'swift', 'tidy', 'vivid', 'warm', 'wise'],
];
const BIRDS = [
  ...['auk', 'avocet', 'bittern', 'crane', 'curlew', 'dipper', 'dunlin', 'eider', 'falcon', 'finch', 'gannet'],
  ...['grebe', 'heron', 'hoopoe', 'ibis', 'jackdaw', 'jay', 'kestrel', 'kite', 'knot', 'lapwing', 'lark', 'linnet'],
  ...['magpie', 'merlin', 'osprey', 'ouzel', 'petrel', 'pipit', 'plover', 'quail', 'raven', 'robin', 'swift', 'tern'],
];

/** A name for a run that got none, such as `quiet-heron-417`. */
export function madeUpName(random: Random): string {
  return `${KINDS[random.int(KINDS.length)]}-${BIRDS[random.int(BIRDS.length)]}-${random.int(1_000)}`;
}
