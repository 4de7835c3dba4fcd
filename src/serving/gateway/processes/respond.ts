import { KedgeError } from '#core/errors';
import type { GatewayParts } from '../gateway-parts.ts';
import { loadHere, unloadHere } from '../open-inference/describe.ts';
import type { Answers, KeptResult, Question } from './siblings.ts';
import { sumStatistics } from './sum-statistics.ts';

/** The answer of this process alone to what one of the processes of a gateway asks of all. */
export async function respond(parts: GatewayParts, question: Question): Promise<Answers[Question['ask']]> {
  const { siblings, metrics, statistics } = parts;
  switch (question.ask) {
    case 'metrics':
      return metrics.snapshot(siblings?.inherited.metrics);
    case 'statistics':
      return siblings ? sumStatistics([siblings.inherited.statistics, statistics.all()]) : [...statistics.all()];
    case 'flush':
      return parts.flush();
    case 'result':
      return keptResult(parts, question.id);
    case 'callback':
      return parts.callbacks?.find(question.id) ?? null;
    case 'load':
      await loadHere(parts, question.model, question);
      return null;
    case 'unload':
      await unloadHere(parts, question.model);
      return null;
  }
}

function keptResult({ results }: GatewayParts, id: string): KeptResult {
  try {
    const answer = results.get(id);
    return answer ? { state: 'done', answer } : { state: 'in-work' };
  } catch (error) {
    if (error instanceof KedgeError && error.code === 'gateway/not-found') return { state: 'absent' };
    throw error;
  }
}
