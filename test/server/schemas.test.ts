import { Ajv } from 'ajv';
import { expect, test } from 'vitest';

import { cacheSchema, serverSchema } from '../../server/config-schema.ts';
import { MANIFEST_SCHEMAS } from '../../server/oci/manifest-schema.ts';

// Programs compile these unread, so that they start sooner.
test.each(Object.entries({ cacheSchema, serverSchema, ...MANIFEST_SCHEMAS }))(
  '%s is a JSON schema',
  (_, schema) => {
    expect(new Ajv().validateSchema(schema)).toBe(true);
  },
);
