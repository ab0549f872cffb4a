import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';

import { describe, expect, it } from 'vitest';

const ROOT = resolve(import.meta.dirname, '..');

/** Which folders each folder may import from; the longest matching prefix counts. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  storage: ['storage'],
  delta: ['delta', 'storage'],
  'delta/agent': ['delta', 'storage'],
  server: ['server', 'delta', 'storage'],
  bench: ['bench', 'server', 'delta', 'storage'],
};

/** Where each third-party package may be used. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  '@mongodb-js/zstd': ['storage/zstd-binding.ts'],
  '@napi-rs/xattr': ['delta/ostree/local', 'delta/agent/targets'],
  '@fastify/busboy': ['server/ostree/push'],
  ajv: ['server'],
  'ajv-formats': ['server'],
  autocannon: ['bench/serve'],
  'better-sqlite3': ['storage/catalog'],
  'bsdiff-node': ['delta/codecs'],

  'cli-progress': ['server/cli', 'delta/agent'],
  commander: ['server/cli', 'delta/agent'],
  express: ['server'],
  'fast-xml-parser': ['storage/drivers'],
  fzstd: ['storage/chunk'],
  jose: ['server/auth'],
  kysely: ['storage/catalog'],
  'lzma-native': ['delta/codecs'],
  minio: ['storage/drivers', 'bench/nodes'],
  multiformats: ['storage'],
  pg: ['storage/catalog/postgres', 'bench/nodes'],
  pino: ['server'],
  'prom-client': ['server/observe'],
  'seek-bzip': ['delta/codecs'],
  yaml: ['server'],
};

/** `storage` and `delta` know no HTTP; the agent does, and the S3 driver speaks it. */
const HTTP = ['node:http', 'node:https', 'node:http2'];
const MAY_USE_HTTP = ['server', 'bench', 'delta/agent', 'storage/drivers'];

/** AssemblyScript, which imports in its own way and nothing from outside. */
const KERNEL = join('delta', 'kernel');

interface Import {
  readonly file: string;
  readonly specifier: string;
}

function sourceFiles(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !join(folder, name).startsWith(KERNEL))
    .map((name) => join(folder, name));
}

function importsOf(file: string): Import[] {
  const text = readFileSync(join(ROOT, file), 'utf8');
  const pattern =
    /^(?:import|export)\b[^'";]*?\bfrom\s+'([^']+)'|^import\s+'([^']+)'|\bimport\(\s*'([^']+)'/gm;
  return [...text.matchAll(pattern)].map((match) => ({
    file,
    specifier: match[1] ?? match[2] ?? match[3] ?? '',
  }));
}

const all = Object.keys(MAY_IMPORT)
  .filter((folder) => !folder.includes('/'))
  .flatMap(sourceFiles)
  .flatMap(importsOf);

function under(file: string, folders: readonly string[]): boolean {
  return folders.some((folder) => file === folder || file.startsWith(`${folder}/`));
}

function packageName(specifier: string): string {
  const parts = specifier.split('/');
  return specifier.startsWith('@') ? parts.slice(0, 2).join('/') : (parts[0] ?? '');
}

describe('imports', () => {
  it('reads every source folder', () => {
    expect(all.length).toBeGreaterThan(200);
  });

  it('go one way: storage <- delta <- server', () => {
    const wrong = all.filter(({ file, specifier }) => {
      if (!specifier.startsWith('.')) return false;
      const target = relative(ROOT, resolve(ROOT, dirname(file), specifier));
      const rule = Object.keys(MAY_IMPORT)
        .filter((folder) => under(file, [folder]))
        .sort((a, b) => b.length - a.length)[0];
      return !under(target, MAY_IMPORT[rule ?? ''] ?? []);
    });
    expect(wrong).toEqual([]);
  });

  it('keeps the device agent out of reach of delta itself', () => {
    const wrong = all.filter(
      ({ file, specifier }) =>
        under(file, ['delta']) &&
        !under(file, ['delta/agent']) &&
        /\/agent\//.test(specifier) &&
        !specifier.endsWith('/protocol.ts'),
    );
    expect(wrong).toEqual([]);
  });

  it('uses each package only where it belongs', () => {
    const wrong = all.filter(({ file, specifier }) => {
      if (specifier.startsWith('.') || specifier.startsWith('node:')) return false;
      return !under(file, PACKAGES[packageName(specifier)] ?? []);
    });
    expect(wrong).toEqual([]);
  });

  it('keeps the kernel to itself', () => {
    const files = readdirSync(join(ROOT, KERNEL), { recursive: true, encoding: 'utf8' });
    const wrong = files
      .filter((name) => name.endsWith('.ts'))
      .map((name) => join(KERNEL, name))
      .flatMap(importsOf)
      .filter(({ file, specifier }) => {
        return !specifier.startsWith('.') || !under(join(dirname(file), specifier), [KERNEL]);
      });
    expect(wrong).toEqual([]);
  });

  it('keeps HTTP out of storage and delta', () => {
    const wrong = all.filter(
      ({ file, specifier }) => HTTP.includes(specifier) && !under(file, MAY_USE_HTTP),
    );
    expect(wrong).toEqual([]);
  });

  it('never hides a package behind a relative path or a missing extension', () => {
    const wrong = all.filter(
      ({ specifier }) => specifier.startsWith('.') && !/\.(ts|json)$/.test(specifier),
    );
    expect(wrong).toEqual([]);
  });
});
