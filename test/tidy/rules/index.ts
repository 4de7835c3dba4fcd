import type { Rule } from '../source-file.ts';
import { auditedRoutes } from './audited-routes.ts';
import { clock } from './clock.ts';
import { cycles } from './cycles.ts';
import { defaultExports } from './default-exports.ts';
import { dependencyReasons } from './dependency-reasons.ts';
import { domainShape } from './domain-shape.ts';
import { doors } from './doors.ts';
import { environment } from './environment.ts';
import { knownKinds } from './known-kinds.ts';
import { links } from './links.ts';
import { lock } from './lock.ts';
import { looseTypes } from './loose-types.ts';
import { names } from './names.ts';
import { ranks } from './ranks.ts';
import { secrets } from './secrets.ts';
import { sizes } from './sizes.ts';
import { sqlInStore } from './sql-in-store.ts';
import { unfinished } from './unfinished.ts';

/** Every rule by the name of its file, which is also the name of its fixture. */
export const rules: Readonly<Record<string, Rule>> = {
  'audited-routes': auditedRoutes,
  clock,
  cycles,
  'default-exports': defaultExports,
  'dependency-reasons': dependencyReasons,
  'domain-shape': domainShape,
  doors,
  environment,
  'known-kinds': knownKinds,
  links,
  lock,
  'loose-types': looseTypes,
  names,
  ranks,
  secrets,
  sizes,
  'sql-in-store': sqlInStore,
  unfinished,
};
