import { readFile } from 'node:fs/promises';
import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js';

import type { OstreeCheckRequest, OstreeEventsRequest } from '../../delta/agent/ostree-protocol.ts';
import type { CheckRequest, EventsRequest } from '../../delta/agent/protocol.ts';
import type { TokenRequest } from '../auth/token-request.ts';
import type {
  FlatManagerBuild,
  FlatManagerRef,
  FlatManagerWanted,
} from '../ostree/flat-manager/bodies.ts';
import type { OstreeMissingRequest, OstreeRefRequest } from '../ostree/push/requests.ts';
import { HttpError } from './errors.ts';

const HTTP_METHODS = ['get', 'head', 'post', 'put', 'patch', 'delete'] as const;
export type HttpMethod = (typeof HTTP_METHODS)[number];

/** One operation of the contract, or the route that answers it. */
export interface Operation {
  readonly method: HttpMethod;
  /** As openapi.yaml writes it, parameters in braces. */
  readonly path: string;
  readonly operationId: string;
}

/** The bodies that are narrowed by the schema of their name. */
export interface BodyTypes {
  readonly CheckRequest: CheckRequest;
  readonly EventsRequest: EventsRequest;
  readonly OstreeCheckRequest: OstreeCheckRequest;
  readonly OstreeEventsRequest: OstreeEventsRequest;
  readonly TokenRequest: TokenRequest;
  readonly OstreeMissingRequest: OstreeMissingRequest;
  readonly OstreeRefRequest: OstreeRefRequest;
  readonly FlatManagerBuild: FlatManagerBuild;
  readonly FlatManagerRef: FlatManagerRef;
  readonly FlatManagerWanted: FlatManagerWanted;
}

/** A fault in a body. */
export interface Fault {
  /** JSON pointer (RFC 6901) to the value. */
  readonly pointer: string;
  readonly message: string;
}

/** The document's URI inside ajv; its schemas are `openapi.yaml#/components/schemas/Name`. */
const DOCUMENT_ID = 'openapi.yaml';
const MAX_FAULTS = 20;

/**
 * openapi.yaml as the one source of schemas. Each schema is compiled at its first use.
 * Formats are not used: what matters is said with `pattern` and bounds.
 */
export class Contract {
  /** The file's text, as served. */
  readonly text: string;
  readonly operations: readonly Operation[];
  readonly document: Readonly<Record<string, unknown>>;
  readonly #ajv: Ajv2020;

  /** Of the text and what it parses to. Throws `TypeError` when that is not an OpenAPI document. */
  constructor(text: string, document: unknown) {
    this.text = text;
    this.document = asRecord(document, 'openapi.yaml');
    this.operations = readOperations(this.document);
    // Keywords of OpenAPI (discriminator, example) are not JSON Schema's: ajv may meet them.
    // The document as a whole is no schema, so that the meta-schema has nothing to say of it.
    this.#ajv = new Ajv2020({
      ...{ allErrors: false, strict: false, discriminator: false, validateSchema: false },
    });
    this.#ajv.addSchema(this.document, DOCUMENT_ID);
  }

  /** Faults of a value under a schema of `components.schemas`; empty when it is valid. */
  faults(schema: string, value: unknown): readonly Fault[] {
    const validate = this.#validator(schema);
    if (validate(value)) return [];
    return (validate.errors ?? []).slice(0, MAX_FAULTS).map(describeFault);
  }

  /** Narrows a body; throws `invalid_body` that says what is wrong where. */
  check<K extends keyof BodyTypes>(schema: K, value: unknown): BodyTypes[K] {
    const faults = this.faults(schema, value);
    if (faults.length > 0) {
      const what = faults.map(({ pointer, message }) => `${pointer || 'body'} ${message}`);
      throw new HttpError('invalid_body', `the body is no ${schema}: ${what.join('; ')}`, {
        detail: { errors: faults },
      });
    }
    return value as BodyTypes[K];
  }

  #validator(schema: string): ValidateFunction {
    const validate = this.#ajv.getSchema(`${DOCUMENT_ID}#/components/schemas/${schema}`);
    if (validate === undefined) throw new TypeError(`openapi.yaml has no schema ${schema}`);
    return validate;
  }
}

/**
 * Reads openapi.yaml of this program: at the top level, two folders up from the source and three
 * from what is compiled into dist/. There the build has put what it parses to, as openapi.json:
 * parsing the YAML would be a third of the work of every start.
 */
export async function loadContract(): Promise<Contract> {
  const beside = await readIfThere(new URL('../../openapi.yaml', import.meta.url));
  if (beside !== undefined) {
    const { parse } = await import('yaml');
    return new Contract(beside, parse(beside));
  }
  const text = await readFile(new URL('../../../openapi.yaml', import.meta.url), 'utf8');
  const parsed = await readFile(new URL('../../openapi.json', import.meta.url), 'utf8');
  return new Contract(text, JSON.parse(parsed));
}

async function readIfThere(file: URL): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (!isMissingFile(error)) throw error;
    return undefined;
  }
}

function readOperations(document: Readonly<Record<string, unknown>>): readonly Operation[] {
  const operations: Operation[] = [];
  for (const [path, item] of Object.entries(asRecord(document['paths'], 'paths'))) {
    const methods = asRecord(item, path);
    for (const method of HTTP_METHODS) {
      if (methods[method] === undefined) continue;
      const { operationId } = asRecord(methods[method], `${method} ${path}`) as {
        operationId?: unknown;
      };
      if (typeof operationId !== 'string') throw new TypeError(`${method} ${path}: no operationId`);
      operations.push({ method, path, operationId });
    }
  }
  return operations;
}

function describeFault({ instancePath, message, params }: ErrorObject): Fault {
  const extra =
    'additionalProperty' in params ? ` (${JSON.stringify(params['additionalProperty'])})` : '';
  return { pointer: instancePath, message: `${message ?? 'is not valid'}${extra}` };
}

function asRecord(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new TypeError(`${what} is not an object`);
  }
  return value as Readonly<Record<string, unknown>>;
}

function isMissingFile(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}
