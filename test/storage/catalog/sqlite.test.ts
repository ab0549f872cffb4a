import { describe } from 'vitest';

import { openSqliteCatalog } from '../../../storage/catalog/sqlite.ts';
import { catalogSuite } from '../../suites/catalog.ts';

describe('the SQLite catalog', () => {
  catalogSuite((clock) => openSqliteCatalog(':memory:', clock));
});
