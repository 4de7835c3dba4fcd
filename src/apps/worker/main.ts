import { runProcess } from '../process.ts';
import { startWorkerProcess } from './worker-process.ts';

await runProcess('worker', startWorkerProcess);
