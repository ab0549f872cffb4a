import type { AnySchemaObject } from 'ajv';

const text = { type: 'string', minLength: 1 };

const sign: AnySchemaObject = {
  type: 'object',
  required: ['kind'],
  properties: { kind: { type: 'string', enum: ['ed25519', 'gpg', 'command'] } },
  allOf: [
    ofKind('ed25519', { keyFile: text }),
    ofKind('gpg', { keyId: text }, { homedir: text }),
    ofKind('command', {
      signature: { type: 'string', enum: ['ostree.sign.ed25519', 'ostree.gpgsigs'] },
      command: { type: 'array', minItems: 1, items: text },
    }),
  ],
};

const verify: AnySchemaObject = {
  type: 'object',
  required: ['kind'],
  properties: { kind: { type: 'string', enum: ['ed25519', 'gpg'] } },
  allOf: [
    ofKind('ed25519', { keys: { type: 'array', minItems: 1, items: text } }),
    ofKind('gpg', { keyring: text }),
  ],
};

/** See `OstreeConfig`. */
export const ostreeSchema: AnySchemaObject = {
  type: 'object',
  additionalProperties: false,
  default: {},
  properties: {
    filezBytes: { type: 'integer', minimum: 0, default: 2 * 1024 ** 3 },
    repositories: {
      type: 'object',
      default: {},
      propertyNames: { pattern: '^[a-z0-9._/*-]+$' },
      additionalProperties: {
        type: 'object',
        additionalProperties: false,
        properties: {
          sign: { type: 'array', default: [], items: sign },
          requireSigned: { type: 'array', default: [], items: verify },
        },
      },
    },
  },
};

function ofKind(
  kind: string,
  required: Readonly<Record<string, AnySchemaObject>>,
  optional: Readonly<Record<string, AnySchemaObject>> = {},
): AnySchemaObject {
  return {
    if: { properties: { kind: { const: kind } }, required: ['kind'] },
    then: {
      additionalProperties: false,
      required: Object.keys(required),
      properties: { kind: true, ...required, ...optional },
    },
  };
}
