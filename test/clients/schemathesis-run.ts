import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import type { FuzzSeed } from './schemathesis-seed.ts';

/** What a run of schemathesis is given. */
export interface FuzzOptions {
  readonly program: string;
  /** A fresh folder, for its contract and settings. */
  readonly dir: string;
  /** The contract's document. */
  readonly document: Readonly<Record<string, unknown>>;
  readonly url: string;
  readonly seed: FuzzSeed;
  /** Cases for each operation, in each phase that makes them up. */
  readonly examples: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Default: all of schemathesis's. */
  readonly phases?: readonly string[];
  /** Default: all of {@link CHECKS}. */
  readonly checks?: readonly string[];
  /** Operations that this server does not have. */
  readonly without?: readonly string[];
  /** Tags of such operations. */
  readonly withoutTags?: readonly string[];
}

export interface FuzzResult {
  readonly code: number;
  readonly output: string;
}

/** What every answer is held against. */
export const CHECKS = [
  'not_a_server_error',
  'status_code_conformance',
  'content_type_conformance',
  'response_headers_conformance',
  'response_schema_conformance',
  'unsupported_method',
  'allow_header_conformance',
];

const PHASES = ['examples', 'coverage', 'fuzzing', 'stateful'];

/** The same requests in every run. */
const RANDOM_SEED = '20250905';

/** Fuzzes a live server by its contract; the result's code is 0 when every answer keeps to it. */
export async function runSchemathesis(options: FuzzOptions): Promise<FuzzResult> {
  const {
    program,
    dir,
    url,
    examples,
    headers = {},
    without = [],
    withoutTags = [],
    checks = CHECKS,
    phases = PHASES,
  } = options;
  await writeFile(join(dir, 'openapi.json'), JSON.stringify(withExamples(options)));
  await writeFile(join(dir, 'schemathesis.toml'), settings(options.seed));
  const args = [
    ...['--config-file', 'schemathesis.toml', 'run', 'openapi.json', '--url', url, '--no-color'],
    ...['--phases', phases.join(','), '--max-examples', examples.toString()],
    ...['--checks', checks.join(','), '--seed', RANDOM_SEED, '--generation-deterministic'],
    ...['--no-shrink', '--continue-on-failure'],
    ...['--request-timeout', '20', '--suppress-health-check', 'all', '--warnings', 'off'],
    ...Object.entries(headers).flatMap(([name, value]) => ['--header', `${name}: ${value}`]),
    ...without.flatMap((id) => ['--exclude-operation-id', id]),
    ...withoutTags.flatMap((tag) => ['--exclude-tag', tag]),
  ];
  return new Promise((resolve, reject) => {
    const limits = { cwd: dir, maxBuffer: 64 * 1024 * 1024 };
    execFile(program, args, limits, (error, stdout, stderr) => {
      const code = error === null ? 0 : error.code;
      if (typeof code === 'number') resolve({ code, output: `${stdout}\n${stderr}` });
      else reject(error ?? new Error('no exit code'));
    });
  });
}

/** Names that exist, most of the time, so that requests get further than "unknown". */
function settings(seed: FuzzSeed): string {
  const { repo, condemnedRepo, tags, digests, uploads, uploadDigest, device, decision } = seed;
  const { tokens } = seed;
  const names = {
    repos: [repo],
    condemnedRepos: [condemnedRepo],
    channels: ['stable'],
    references: [...tags, ...digests],
    digests,
    open: uploads.open,
    ready: uploads.ready,
    condemned: uploads.condemned,
    uploadDigests: [uploadDigest],
    devices: [device],
    decisions: [decision.id],
    tokens,
    from: [decision.from],
    to: [decision.to],
    os: ['linux'],
    arch: ['amd64'],
    platforms: ['linux/amd64'],
    // A single range of a manifest is JSON by its type and no JSON by itself: not for schemathesis.
    manifestRanges: ['bytes=0-0,4-7,2-9', 'bytes=999999-'],
    ranges: ['bytes=0-9', 'bytes=-5', 'bytes=3-', 'bytes=0-0,4-7,2-9', 'bytes=999999-'],
  };
  return `
[dictionaries]
${Object.entries(names)
  .map(([name, values]) => `${name} = { values = ${JSON.stringify(values)} }`)
  .join('\n')}

[parameters]
${bind({ 'path.name': 'repos', 'path.reference': 'references', 'path.digest': 'digests' })}
${bind({ 'query.mount': 'digests', 'header.Range': 'ranges', 'header.rivulet-device': 'devices' })}
${bind({ 'body.product': 'repos', 'body.channel': 'channels', 'body.os': 'os', 'body.arch': 'arch' })}
${bind({ 'body.decision.product': 'repos', 'body.decision.platform': 'platforms' })}
${bind({ 'body.decision.from': 'from', 'body.decision.to': 'to' })}

[[operations]]
include-operation-id = ["getUpload", "appendUpload"]
[operations.parameters]
${bind({ 'path.id': 'open' })}

[[operations]]
include-operation-id = "getManifest"
[operations.parameters]
${bind({ 'header.Range': 'manifestRanges' })}

[[operations]]
include-operation-id = "commitUpload"
[operations.parameters]
${bind({ 'path.id': 'ready', 'query.digest': 'uploadDigests' })}

[[operations]]
include-operation-id = "cancelUpload"
[operations.parameters]
${bind({ 'path.id': 'condemned', 'path.name': 'condemnedRepos' })}

[[operations]]
include-operation-id = ["deleteManifest", "deleteRegistryBlob"]
[operations.parameters]
${bind({ 'path.name': 'condemnedRepos' })}

[[operations]]
include-operation-id = "reportEvents"
[operations.parameters]
${bind({ 'path.id': 'decisions' })}

[[operations]]
include-operation-id = "revokeToken"
[operations.parameters]
${bind({ 'path.name': 'tokens' })}
`;
}

function bind(dictionaries: Readonly<Record<string, string>>): string {
  return Object.entries(dictionaries)
    .map(([place, name]) => `"${place}" = { dictionary = "${name}", probability = 0.8 }`)
    .join('\n');
}

/** The contract with examples that hold on this server: a manifest that can be pushed, a blob. */
function withExamples({ document, seed }: FuzzOptions): Readonly<Record<string, unknown>> {
  const copy = structuredClone(document);
  const manifests = ['paths', '/v2/{name}/manifests/{reference}', 'put', 'requestBody', 'content'];
  setIn(copy, [...manifests, seed.mediaType, 'example'], seed.manifest);
  const uploads = ['paths', '/v2/{name}/blobs/uploads/', 'post'];
  setIn(copy, [...uploads, 'parameters', '0', 'example'], seed.blob.digest);
  const octets = ['requestBody', 'content', 'application/octet-stream', 'example'];
  setIn(copy, [...uploads, ...octets], seed.blob.text);
  setIn(copy, ['components', 'parameters', 'Digest', 'example'], seed.digests[0]);
  inlineParameters(copy, copy);
  return copy;
}

/** Puts schemas in the place of references to them: schemathesis 4.32 fails on bound names otherwise. */
function inlineParameters(at: unknown, document: object): void {
  if (typeof at !== 'object' || at === null) return;
  if ('in' in at && 'schema' in at) at.schema = inlined(at.schema, document);
  for (const value of Object.values(at)) inlineParameters(value, document);
}

function inlined(schema: unknown, document: object): unknown {
  if (Array.isArray(schema)) return schema.map((item) => inlined(item, document));
  if (typeof schema !== 'object' || schema === null) return schema;
  if ('$ref' in schema && typeof schema.$ref === 'string') {
    return inlined(lookUp(document, schema.$ref.split('/').slice(1)), document);
  }
  return Object.fromEntries(
    Object.entries(schema).map(([key, value]) => [key, inlined(value, document)]),
  );
}

function lookUp(value: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (at, name) => (typeof at === 'object' && at !== null ? Reflect.get(at, name) : undefined),
    value,
  );
}

function setIn(target: object, path: readonly string[], value: unknown): void {
  const [name = '', ...rest] = path;
  if (rest.length === 0) {
    Reflect.set(target, name, value);
    return;
  }
  const next: unknown = Reflect.get(target, name);
  if (typeof next !== 'object' || next === null) throw new TypeError(`no ${path.join('.')}`);
  setIn(next, rest, value);
}
