import { readFile } from 'node:fs/promises';

import { Ajv, type AnySchemaObject, type ErrorObject } from 'ajv';

import { catalogFaults, catalogOf, type CatalogSettings } from './catalog-rules.ts';
import type { CacheConfig, ServerConfig } from './config.ts';
import { cacheSchema, serverSchema } from './config-schema.ts';
import { ServerError } from './errors.ts';
import { mirrorFaults } from './mirror-rules.ts';
import { registryFaults } from './registry-rules.ts';
import { retentionFaults, type RetentionRuleConfig } from './retention/rules.ts';
import { updateFaults, type UpdateRule } from './updates/update-rules.ts';

/** Where settings come from, strongest first: flags, environment, file. */
export interface ConfigSources {
  /** Keys as in the file; undefined values are absent. */
  readonly flags: Readonly<Record<string, unknown>>;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** A YAML or JSON file. */
  readonly file?: string | undefined;
}

/** Loads an origin's or a worker's configuration; throws `config` with every fault listed. */
export async function loadServerConfig(sources: ConfigSources): Promise<ServerConfig> {
  const settings = await load(sources, serverSchema);
  const catalog = settings['catalog'] as CatalogSettings;
  const updates = (settings['updates'] ?? []) as readonly UpdateRule[];
  const retention = settings['retention'] as readonly RetentionRuleConfig[];
  const faults = [
    ...catalogFaults(catalog),
    ...updateFaults(updates),
    ...retentionFaults(retention),
  ];
  if (faults.length > 0) throw configFaults(faults);
  return freeze({
    ...settings,
    listen: parseListen(settings['listen']),
    catalog: catalogOf(catalog),
  }) as unknown as ServerConfig;
}

/** Loads a regional cache's configuration; throws `config` with every fault listed. */
export async function loadCacheConfig(sources: ConfigSources): Promise<CacheConfig> {
  const settings = await load(sources, cacheSchema);
  const config = { ...settings, listen: parseListen(settings['listen']) } as unknown as CacheConfig;
  const faults = [...registryFaults(config), ...mirrorFaults(config)];
  if (faults.length > 0) throw configFaults(faults);
  return freeze(config);
}

async function load(
  sources: ConfigSources,
  schema: AnySchemaObject,
): Promise<Record<string, unknown>> {
  const settings = merge(
    merge(await readConfigFile(sources.file), fromEnvironment(sources.env, schema)),
    sources.flags,
  );
  const ajv = new Ajv({
    allErrors: true,
    useDefaults: true,
    coerceTypes: true,
    allowUnionTypes: true,
    // Every command starts with this: no meta-schema (a test holds the schemas against it), no optimizing
    // of what runs once.
    ...{ validateSchema: false, code: { optimize: false } },
  });
  const validate = ajv.compile(schema);
  if (!validate(settings)) {
    const faults = (validate.errors ?? []).filter((error) => error.keyword !== 'if').map(describe);
    throw configFaults(faults);
  }
  return settings;
}

function configFaults(faults: readonly string[]): ServerError {
  return new ServerError(
    'config',
    `the configuration has ${faults.length === 1 ? 'a fault' : `${faults.length} faults`}: ${faults.join('; ')}`,
    { detail: { faults } },
  );
}

async function readConfigFile(path: string | undefined): Promise<Record<string, unknown>> {
  if (path === undefined) return {};
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    throw new ServerError('config', `cannot read the configuration ${path}: ${String(cause)}`, {
      cause,
    });
  }
  let value: unknown;
  const { parse } = await import('yaml');
  try {
    value = parse(text);
  } catch (cause) {
    throw new ServerError('config', `${path} is not YAML or JSON: ${String(cause)}`, { cause });
  }
  if (value === null) return {};
  if (!isObject(value))
    throw new ServerError('config', `${path} does not hold a mapping of settings`);
  return value;
}

/** `store.accessKey` is `RIVULET_STORE_ACCESS_KEY`; one variable for each leaf of the schema. */
function fromEnvironment(
  env: ConfigSources['env'],
  schema: AnySchemaObject,
  prefix = 'RIVULET',
): Record<string, unknown> {
  const settings: Record<string, unknown> = {};
  const properties = schema['properties'] as Record<string, AnySchemaObject>;
  for (const [key, property] of Object.entries(properties)) {
    const name = `${prefix}_${key.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;
    if (property['properties'] !== undefined) {
      const nested = fromEnvironment(env, property, name);
      if (Object.keys(nested).length > 0) {
        settings[key] = nested;
        continue;
      }
    }
    if (env[name] !== undefined && property['type'] !== 'object') {
      settings[key] = env[name];
    }
  }
  return settings;
}

function merge(
  weak: Readonly<Record<string, unknown>>,
  strong: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const merged: Record<string, unknown> = { ...weak };
  for (const [key, value] of Object.entries(strong)) {
    if (value === undefined) continue;
    const below = merged[key];
    merged[key] = isObject(below) && isObject(value) ? merge(below, value) : value;
  }
  return merged;
}

function describe(error: ErrorObject): string {
  const where =
    error.instancePath === '' ? '' : `${error.instancePath.slice(1).replaceAll('/', '.')} `;
  if (error.keyword === 'additionalProperties') {
    return `${where}has no setting "${String(error.params['additionalProperty'])}"`;
  }
  if (error.keyword === 'enum') {
    return `${where}must be one of ${(error.params['allowedValues'] as unknown[]).join(', ')}`;
  }
  return `${where}${error.message ?? error.keyword}`;
}

/** `HOST:PORT`, an IPv6 host in brackets. */
function parseListen(value: unknown): { host: string; port: number } {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(String(value));
  const port = Number(match?.[3]);
  const host = match?.[1] ?? match?.[2];
  if (host === undefined || port > 65_535) {
    throw new ServerError('config', `listen must be HOST:PORT, not ${JSON.stringify(value)}`);
  }
  return { host, port };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function freeze<T extends object>(value: T): Readonly<T> {
  for (const nested of Object.values(value)) {
    if (typeof nested === 'object' && nested !== null) freeze(nested as object);
  }
  return Object.freeze(value);
}
