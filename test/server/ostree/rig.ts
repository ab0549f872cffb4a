import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { LocalRepo } from '../../../delta/ostree/local-repo.ts';
import { objectFileName, objectPath } from '../../../delta/ostree/objects/object-name.ts';
import { runTool } from '../../clients/run-tool.ts';
import { startLiveOrigin, type LiveOrigin } from '../live-servers.ts';

export const REPO = 'fleet/os';

export interface OstreeRig {
  readonly dir: string;
  readonly origin: LiveOrigin;
  /** Of the repository {@link REPO}. */
  readonly url: string;
  readonly close: () => Promise<void>;
}

/** An origin with all its routes over a fresh store. */
export async function startOstreeRig(
  settings:
    Readonly<Record<string, unknown>> | ((dir: string) => Readonly<Record<string, unknown>>) = {},
): Promise<OstreeRig> {
  const dir = await mkdtemp(join(tmpdir(), 'rivulet-ostree-'));
  const origin = await startLiveOrigin(
    dir,
    typeof settings === 'function' ? settings(dir) : settings,
  );
  return {
    dir,
    origin,
    url: `${origin.url}/ostree/${REPO}`,
    async close() {
      await origin.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** A file of a multipart body. */
export interface NamedBytes {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** A client of the push protocol of one repository, over an archive repository on this machine. */
export class Pusher {
  readonly url: string;
  readonly #headers: Readonly<Record<string, string>>;

  constructor(url: string, token?: string) {
    this.url = url;
    this.#headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  }

  send(
    method: string,
    path: string,
    body?: Buffer | FormData | string,
    headers: Record<string, string> = {},
  ) {
    return fetch(`${this.url}/push/${path}`, {
      method,
      headers: { ...this.#headers, ...headers },
      ...(body !== undefined && { body }),
    });
  }

  json(method: string, path: string, body: unknown): Promise<Response> {
    return this.send(method, path, JSON.stringify(body), { 'content-type': 'application/json' });
  }

  async missing(objects: readonly string[]): Promise<readonly string[]> {
    const response = await this.json('POST', 'missing', { objects });
    if (response.status !== 200) throw new Error(`missing: ${await response.text()}`);
    return ((await response.json()) as { missing: string[] }).missing;
  }

  objects(files: readonly NamedBytes[]): Promise<Response> {
    const form = new FormData();
    for (const { name, bytes } of files) form.append(name, new Blob([Buffer.from(bytes)]), name);
    return this.send('POST', 'objects', form);
  }

  putRef(ref: string, commit: string, expected: string | null = 'any'): Promise<Response> {
    return this.json('PUT', `refs/${ref}`, { commit, expected });
  }

  /** Pushes what a commit of an archive repository needs and moves the ref; resolves to the commit. */
  async push(path: string, ref: string, expected: string | null = 'any'): Promise<string> {
    const local = await LocalRepo.open(path);
    const commit = await local.resolveRef(ref);
    const files = new Map<string, string>();
    for await (const name of local.walkCommit(commit)) {
      files.set(objectFileName(name), join(path, objectPath(name)));
    }
    const missing = await this.missing([...files.keys()]);
    for (let at = 0; at < missing.length; at += 500) {
      const names = missing.slice(at, at + 500);
      const read = names.map(async (name) => ({
        name,
        bytes: await readFile(files.get(name) ?? ''),
      }));
      const response = await this.objects(await Promise.all(read));
      if (response.status !== 200) throw new Error(`objects: ${await response.text()}`);
    }
    const moved = await this.putRef(ref, commit, expected);
    if (moved.status !== 200) throw new Error(`ref: ${await moved.text()}`);
    return commit;
  }
}

/** The status and the code of a problem answer, as `422 bad_object`. */
export async function problemOf(response: Response): Promise<string> {
  const body = (await response.json()) as { code: string };
  return `${response.status} ${body.code}`;
}

/** Runs `ostree` (or another program) to its end in a folder. */
export function ostree(dir: string, ...args: readonly string[]): Promise<string> {
  return runTool('ostree', args, { cwd: dir });
}
