import { runProcess } from '../process.ts';
import { startControlPlane } from './control-plane.ts';

await runProcess('control-plane', startControlPlane);
