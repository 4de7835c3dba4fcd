import { closedEntity, openEntity, type Vocabulary } from '../search/index.ts';

const attributes = closedEntity(
  'attributes',
  {
    name: 'text',
    dataset_id: 'text',
    created_time: 'number',
    last_update_time: 'number',
    created_by: 'text',
    last_updated_by: 'text',
  },
  { orders: ['name', 'dataset_id', 'created_time', 'last_update_time'] },
);
const tags = openEntity({ name: 'tags', type: 'text', orders: false });

/** What evaluation data sets are searched by. */
export const EVALUATION_DATASET_VOCABULARY: Vocabulary = {
  bare: 'attributes',
  entities: { attribute: attributes, attributes, attr: attributes, tag: tags, tags },
};
