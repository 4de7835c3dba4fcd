import { z } from 'zod';
import { nameSchema } from '#platform/contract';
import { graphModel } from '../model-declaration.ts';

/**
 * The spec of the resource kind `model-graph`: a graph of registered versions that is a version of a model itself. Each
 * changed declaration is another version, so endpoints name the model, and rollouts release, compare and take back what
 * was declared as they do any version.
 */
export const modelGraphSpec = graphModel.omit({ runtime: true }).extend({
  /** Whose versions the graphs are; a model of the name of the resource unless told. */
  model: nameSchema.optional(),
  /**
   * Where the graph takes `features` and `categories` as a version of columns does: that node, whose columns are those
   * of the graph, and what its one output is. Without it the graph is called by its tensors.
   */
  columns: z.strictObject({ of: z.string().min(1).max(100), output: z.enum(['probability', 'value']) }).optional(),
});
export type ModelGraphSpec = z.output<typeof modelGraphSpec>;
