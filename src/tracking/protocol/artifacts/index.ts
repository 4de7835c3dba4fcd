export { artifactProtocol } from './routes.ts';
