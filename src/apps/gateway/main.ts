import { runProcess } from '../process.ts';
import { startGatewayProcess } from './gateway.ts';

await runProcess('gateway', startGatewayProcess);
