import { types, type CustomTypesConfig } from 'pg';

import { StorageError } from '../../errors.ts';

/**
 * How values come out of PostgreSQL: as out of SQLite. Integers of 64 bits and sums of such (numeric) are
 * numbers; one that a number can't hold throws `corrupt`, since nothing that we write or count gets so large.
 */
export const POSTGRES_TYPES: CustomTypesConfig = {
  getTypeParser: (type, format) =>
    type === types.builtins.INT8 || type === types.builtins.NUMERIC
      ? toInteger
      : (types.getTypeParser(type, format) as (text: string) => unknown),
};

function toInteger(text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value)) return value;
  throw new StorageError('corrupt', `the catalog holds ${text}, which is no integer below 2^53`);
}
