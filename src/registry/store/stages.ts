import type { StageMove } from '../shapes.ts';
import type { MoveLog } from './moves.ts';
import type { StageMoveTable, VersionKey } from './tables.ts';

/** The stages that versions have been in. */
export const stageMoves: MoveLog<VersionKey, StageMove, StageMoveTable> = {
  table: 'registry_stage_move',
  keyOf: ({ model, version }) => ({ model, version }),
  columnsOf: ({ from, to, by, at, reason }) => ({
    from_stage: from.stage,
    from_status: from.status,
    to_stage: to.stage,
    to_status: to.status,
    moved_by: by,
    moved_at: at,
    reason,
  }),
  moveOf: (row) => ({
    model: row.model,
    version: row.version,
    from: { stage: row.from_stage, status: row.from_status } as StageMove['from'],
    to: { stage: row.to_stage, status: row.to_status } as StageMove['to'],
    by: row.moved_by,
    at: row.moved_at,
    reason: row.reason,
  }),
};
