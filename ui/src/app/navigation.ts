import {
  Activity,
  Anchor,
  Boxes,
  Cable,
  CalendarClock,
  Database,
  FlaskConical,
  Gavel,
  House,
  type LucideIcon,
  ScrollText,
  Sigma,
  Workflow,
  Zap,
} from 'lucide-react';
import { places } from '../places.ts';

interface NavItem {
  readonly label: string;
  readonly to: string;
  readonly icon: LucideIcon;
  /** First parts of the paths that belong to it. */
  readonly owns: readonly string[];
}

export const brandIcon = Anchor;

/** The pages by domain, in the order of the loop. */
export const navigation: readonly { readonly group: string; readonly items: readonly NavItem[] }[] = [
  { group: '', items: [{ label: 'Home', to: places.home(), icon: House, owns: [''] }] },
  {
    group: 'Data',
    items: [
      { label: 'Datasets', to: places.datasets(), icon: Database, owns: ['datasets'] },
      { label: 'Features', to: places.features(), icon: Sigma, owns: ['features'] },
    ],
  },
  {
    group: 'Build',
    items: [
      { label: 'Pipelines', to: places.pipelines(), icon: Workflow, owns: ['pipelines', 'runs'] },
      { label: 'Schedules', to: places.schedules(), icon: CalendarClock, owns: ['schedules'] },
      { label: 'Experiments', to: places.experiments(), icon: FlaskConical, owns: ['experiments', 'compare-runs'] },
      { label: 'Models', to: places.models(), icon: Boxes, owns: ['models'] },
    ],
  },
  {
    group: 'Serve',
    items: [
      { label: 'Endpoints', to: places.endpoints(), icon: Cable, owns: ['endpoints'] },
      { label: 'Monitoring', to: places.monitoring(), icon: Activity, owns: ['monitoring'] },
    ],
  },
  {
    group: 'Control',
    items: [
      { label: 'Automation', to: places.automation(), icon: Zap, owns: ['automation'] },
      { label: 'Governance', to: places.governance(), icon: Gavel, owns: ['governance'] },
      { label: 'Audit', to: places.audit(), icon: ScrollText, owns: ['audit'] },
    ],
  },
];
