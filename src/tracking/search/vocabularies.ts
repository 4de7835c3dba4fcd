import { closedEntity, type Entity, openEntity, type Vocabulary } from './ast.ts';

const TAGS = openEntity({ name: 'tags', type: 'text' });
const PARAMS = openEntity({ name: 'params', type: 'text' });
const METRICS = openEntity({ name: 'metrics', type: 'number' });

/** An entity under each of its names. */
function named(entity: Entity, ...names: readonly string[]): Record<string, Entity> {
  return Object.fromEntries(names.map((name) => [name, entity]));
}

const ATTRIBUTE_NAMES = ['attribute', 'attributes', 'attr', 'run'] as const;

export const RUN_VOCABULARY: Vocabulary = {
  bare: 'attributes',
  entities: {
    ...named(METRICS, 'metric', 'metrics'),
    ...named(PARAMS, 'param', 'params', 'parameter', 'parameters'),
    ...named(TAGS, 'tag', 'tags'),
    ...named(
      closedEntity(
        'attributes',
        {
          run_id: 'text',
          run_name: 'text',
          user_id: 'text',
          status: 'text',
          artifact_uri: 'text',
          start_time: 'number',
          end_time: 'number',
        },
        {
          aliases: {
            created: 'start_time',
            Created: 'start_time',
            'run name': 'run_name',
            'Run name': 'run_name',
            'Run Name': 'run_name',
          },
        },
      ),
      ...ATTRIBUTE_NAMES,
    ),
    ...named(
      closedEntity('datasets', { name: 'text', digest: 'text', context: 'text' }, { orders: [] }),
      'dataset',
      'datasets',
    ),
  },
};

export const EXPERIMENT_VOCABULARY: Vocabulary = {
  bare: 'attribute',
  entities: {
    ...named(TAGS, 'tag', 'tags'),
    ...named(
      closedEntity('attribute', {
        name: 'text',
        experiment_id: 'text',
        creation_time: 'number',
        last_update_time: 'number',
      }),
      ...ATTRIBUTE_NAMES,
    ),
  },
};

export const LOGGED_MODEL_VOCABULARY: Vocabulary = {
  bare: 'attributes',
  entities: {
    ...named(METRICS, 'metric', 'metrics'),
    ...named(PARAMS, 'param', 'params'),
    ...named(TAGS, 'tag', 'tags'),
    ...named(
      closedEntity(
        'attributes',
        {
          name: 'text',
          model_id: 'text',
          model_type: 'text',
          status: 'text',
          source_run_id: 'text',
          experiment_id: 'text',
          creation_timestamp: 'number',
          last_updated_timestamp: 'number',
        },
        { aliases: { creation_time: 'creation_timestamp', last_updated_time: 'last_updated_timestamp' } },
      ),
      ...ATTRIBUTE_NAMES,
    ),
  },
};
