import type { AnySchemaObject } from 'ajv';

/** A number and `s`, `m`, `h`, `d` or `w`. */
export const DURATION_PATTERN = '^(0|[1-9][0-9]{0,5})[smhdw]$';

const duration = { type: 'string', pattern: DURATION_PATTERN };
const last = { type: 'integer', minimum: 1, maximum: 1_000_000 };

/** The section `retention` of a server's configuration; see `RetentionRuleConfig`. */
export const retentionSchema: AnySchemaObject = {
  type: 'array',
  default: [],
  maxItems: 1000,
  items: {
    type: 'object',
    additionalProperties: false,
    required: ['repositories'],
    properties: {
      repositories: { type: 'string', maxLength: 255, pattern: '^[a-z0-9._/*-]+$' },
      tags: { type: 'string', maxLength: 255, pattern: '^[a-zA-Z0-9._*-]+$' },
      keepLast: last,
      keepYoungerThan: duration,
      untagged: {
        type: 'object',
        additionalProperties: false,
        required: ['keepYoungerThan'],
        properties: { keepYoungerThan: duration },
      },
      commits: {
        type: 'object',
        additionalProperties: false,
        required: ['keepLast'],
        properties: { keepLast: last },
      },
    },
    dependencies: { keepLast: ['tags'], keepYoungerThan: ['tags'] },
  },
};
