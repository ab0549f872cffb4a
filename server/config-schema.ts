import type { AnySchemaObject } from 'ajv';

import { GRANT_PATTERN } from './auth/grants.ts';
import { PRINCIPAL_PATTERN } from './auth/principal.ts';
import { ostreeSchema } from './ostree/signing/schema.ts';
import { retentionSchema } from './retention/schema.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'silent'];

const count = (minimum: number, value: number): AnySchemaObject => ({
  type: 'integer',
  minimum,
  default: value,
});
const text = (value?: string): AnySchemaObject =>
  value === undefined ? { type: 'string' } : { type: 'string', default: value };
const httpUrl = { type: 'string', pattern: '^https?://' };
const filePath = { type: 'string', minLength: 1 };

const rate = {
  type: 'object',
  additionalProperties: false,
  default: {},
  properties: {
    perSecond: { type: 'number', minimum: 0, default: 0 },
    burst: count(1, 100),
  },
};

const common = {
  data: text('./rivulet-data'),
  listen: text('127.0.0.1:8480'),
  logLevel: { type: 'string', enum: LOG_LEVELS, default: 'info' },
  publicUrl: { type: 'string', pattern: '^(|https?://.*)$', default: '' },
  drainMs: count(0, 30_000),
  tls: {
    type: 'object',
    additionalProperties: false,
    required: ['cert', 'key'],
    properties: { cert: filePath, key: filePath, clientCa: filePath },
  },
  access: {
    type: 'object',
    propertyNames: { pattern: PRINCIPAL_PATTERN },
    additionalProperties: { type: 'array', items: { type: 'string', pattern: GRANT_PATTERN } },
  },
  limits: {
    type: 'object',
    additionalProperties: false,
    default: {},
    properties: { address: rate, principal: rate },
  },
};

/** Where bytes are kept. See `StoreConfig`. */
const store: AnySchemaObject = {
  type: 'object',
  additionalProperties: false,
  default: {},
  properties: {
    kind: { type: 'string', enum: ['fs', 's3'], default: 'fs' },
    endpoint: httpUrl,
    bucket: { type: 'string', minLength: 3 },
    region: text('us-east-1'),
    accessKey: { type: 'string', minLength: 1 },
    secretKey: { type: 'string', minLength: 1 },
    prefix: { type: 'string', pattern: '^(|.*/)$', default: '' },
  },
  if: { properties: { kind: { const: 's3' } }, required: ['kind'] },
  then: { required: ['endpoint', 'bucket', 'accessKey', 'secretKey'] },
};

const clientTls = {
  type: 'object',
  additionalProperties: false,
  dependencies: { cert: ['key'], key: ['cert'] },
  properties: { ca: filePath, cert: filePath, key: filePath },
};

/** Settings of an origin and a worker; the defaults are the embedded server. See `ServerConfig`. */
export const serverSchema: AnySchemaObject = {
  type: 'object',
  additionalProperties: false,
  properties: {
    ...common,
    workers: { type: 'integer', minimum: 1, maximum: 256, default: 1 },
    store,
    catalog: {
      type: 'object',
      additionalProperties: false,
      default: {},
      properties: {
        kind: { type: 'string', enum: ['sqlite', 'postgres'] },
        url: { type: 'string', pattern: '^postgres(ql)?://' },
        urlFile: filePath,
        poolSize: count(1, 8),
        tls: clientTls,
      },
    },
    matrix: {
      type: 'object',
      additionalProperties: false,
      default: {},
      properties: {
        releases: count(0, 3),
        liveMs: count(0, 30 * DAY_MS),
        builders: count(0, 1),
        leaseMs: count(1000, 60_000),
        maxAttempts: count(1, 3),
        reconcileMs: count(100, 30_000),
      },
    },
    uploads: {
      type: 'object',
      additionalProperties: false,
      default: {},
      properties: { ttlMs: count(1000, DAY_MS) },
    },
    gc: {
      type: 'object',
      additionalProperties: false,
      default: {},
      // A push may name what it has stored up to a minute ago.
      properties: { everyMs: count(0, 0), graceMs: count(60_000, HOUR_MS) },
    },
    ostree: ostreeSchema,
    retention: retentionSchema,
    zstdChunked: {
      type: 'array',
      default: [],
      maxItems: 1000,
      items: { type: 'string', minLength: 1, maxLength: 255 },
    },
    regions: {
      type: 'object',
      default: {},
      additionalProperties: { type: 'array', items: httpUrl },
    },
    updates: {
      type: 'array',
      default: [],
      maxItems: 1000,
      items: {
        type: 'object',
        additionalProperties: false,
        properties: {
          products: { type: 'string', minLength: 1, maxLength: 255, default: '**' },
          regions: { type: 'string', maxLength: 255, default: '**' },
          maxBps: { type: 'integer', minimum: 1 },
          notBefore: text(),
          window: text(),
          zone: text('UTC'),
        },
      },
    },
  },
};

/** A host as image references begin. */
const REGISTRY_NAME = '^[a-z0-9]+([.-][a-z0-9]+)*(:[0-9]{1,5})?$';
const secret = { type: 'string', minLength: 1 };

const namePattern = { type: 'string', minLength: 1, maxLength: 255 };
const mirrorRules: AnySchemaObject = {
  type: 'array',
  maxItems: 1000,
  items: {
    type: 'object',
    additionalProperties: false,
    required: ['repositories', 'what'],
    properties: {
      repositories: namePattern,
      tags: { ...namePattern, default: '**' },
      platforms: {
        type: 'array',
        minItems: 1,
        items: { type: 'string', pattern: '^[a-z0-9]+/[a-z0-9_]+(/[a-z0-9.]+)?$' },
      },
      what: {
        type: 'array',
        minItems: 1,
        uniqueItems: true,
        items: { type: 'string', enum: ['deltas', 'chunks', 'layers', 'ostree'] },
      },
      fromScratch: { type: 'boolean', default: false },
    },
  },
};
/** True, false, a list of rules, or all of it; see `MirrorConfig`. */
const mirror: AnySchemaObject = {
  type: ['boolean', 'array', 'object'],
  default: true,
  items: mirrorRules['items'] as AnySchemaObject,
  maxItems: 1000,
  additionalProperties: false,
  properties: {
    rules: mirrorRules,
    windows: { type: 'string', minLength: 1 },
    zone: text(''),
    maxBps: count(0, 0),
    budget: { type: 'number', minimum: 0, maximum: 1, default: 0.5 },
  },
};

/** Settings of a regional cache. See `CacheConfig`. */
export const cacheSchema: AnySchemaObject = {
  type: 'object',
  additionalProperties: false,
  required: ['upstream', 'region'],
  properties: {
    ...common,
    upstream: httpUrl,
    region: { type: 'string', pattern: '^[a-z0-9][a-z0-9-]{0,62}$' },
    upstreamToken: secret,
    upstreamTls: clientTls,
    upstreamNames: {
      type: 'array',
      default: [],
      items: { type: 'string', pattern: REGISTRY_NAME },
    },
    registries: {
      type: 'object',
      default: {},
      propertyNames: { pattern: REGISTRY_NAME },
      additionalProperties: {
        type: 'object',
        additionalProperties: false,
        dependencies: { password: ['username'], passwordFile: ['username'] },
        properties: {
          url: httpUrl,
          through: { type: 'string', enum: ['upstream'] },
          username: { type: 'string', pattern: '^[^:]+$' },
          password: secret,
          passwordFile: filePath,
          token: secret,
          tokenFile: filePath,
          tls: clientTls,
        },
      },
    },
    pushes: { type: 'string', enum: ['refuse', 'forward'], default: 'refuse' },
    store,
    budgetBytes: count(1, 20 * 1024 ** 3),
    offlineMs: count(0, 7 * DAY_MS),
    tagTtlMs: count(0, 10_000),
    refreshMs: count(100, 10_000),
    mirror,
  },
};
