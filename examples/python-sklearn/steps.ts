/** What follows the script: the registration of the model that it wrote. */
import { registerModel, type StepContext } from 'kedge/steps';

export function register(ctx: StepContext) {
  return registerModel(ctx, { model: 'tumours', tags: { framework: 'scikit-learn' } });
}
