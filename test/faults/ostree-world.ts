import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import type { Checksum } from '../../delta/ostree/objects/checksum.ts';
import { fillTree, RealRepo } from '../delta/ostree/real-repo.ts';
import type { GpgHome } from '../delta/ostree/sign/gpg-home.ts';
import { buildStaticDeltas } from '../server/ostree/delta-work.ts';
import { ostree, Pusher, startOstreeRig, type OstreeRig } from '../server/ostree/rig.ts';
import { noise, text } from '../storage/chunk/material.ts';

export const REF = 'os/x86_64/stable';
/** Repositories of {@link OstreeWorld}: the second one's commits and summary are signed. */
export const PLAIN = 'plain/os';
export const SIGNED = 'signed/os';

/** A repository of a client. */
export interface OstreeClient {
  readonly run: (command: string, ...args: string[]) => Promise<string>;
  readonly pull: (...args: string[]) => Promise<string>;
  readonly dir: string;
}

/** What a client wants signed. */
export interface Trust {
  /** By which keys commits must be signed; without, anything goes. */
  readonly keys?: Buffer | undefined;
  /** The summary too. */
  readonly signedSummary?: boolean;
}

/** An origin with two commits of one tree, in two repositories, and static deltas to the second. */
export interface OstreeWorld {
  readonly rig: OstreeRig;
  readonly source: RealRepo;
  readonly commits: readonly [Checksum, Checksum];
  /** A fresh repository of that remote. */
  readonly client: (url: string, trust?: Trust) => Promise<OstreeClient>;
  readonly close: () => Promise<void>;
}

/** Of a program that a delta patches, in a few parts' worth of files. */
const PROGRAM_BYTES = 400_000;
const FILES = 40;

/** `signers` are fingerprints of keys in `home`, with which the origin signs. */
export async function startOstreeWorld(
  home: GpgHome | undefined,
  signers: readonly string[],
): Promise<OstreeWorld> {
  const sign = signers.map((keyId) => ({ kind: 'gpg', keyId, homedir: home?.path }));
  const rig = await startOstreeRig({ ostree: { repositories: { 'signed/*': { sign } } } });
  const source = new RealRepo('archive');
  const repos = home === undefined ? [PLAIN] : [PLAIN, SIGNED];
  const commit = async (version: number, expected: Checksum | null): Promise<Checksum> => {
    const bytes = Buffer.from(noise(PROGRAM_BYTES, 'program'));
    noise(50_000, `version ${version}`).copy(bytes, 100_000);
    writeFileSync(join(source.tree, 'usr', 'bin', 'program'), bytes);
    for (let n = 0; n < FILES; n += 1) {
      writeFileSync(join(source.tree, 'many', `f${n}`), text(100, `file ${n} of ${version}`));
    }
    const made = source.commit(REF, `--subject=${version}`);
    for (const repo of repos) {
      await new Pusher(`${rig.origin.url}/ostree/${repo}`).push(source.path, REF, expected);
    }
    return made;
  };
  fillTree(source.tree);
  mkdirSync(join(source.tree, 'many'));
  const first = await commit(1, null);
  const second = await commit(2, first);
  await buildStaticDeltas(rig.origin.store);
  let clients = 0;
  return {
    rig,
    source,
    commits: [first, second],
    async client(url, { keys, signedSummary = keys !== undefined } = {}) {
      clients += 1;
      const dir = join(rig.dir, `client-${clients}`);
      mkdirSync(dir);
      // The shield tells clients of one address by their agents: tests at once don't wait for each other.
      const agent = `--append-user-agent=client-${clients}`;
      const run: OstreeClient['run'] = (command, ...args) =>
        ostree(dir, command, '--repo=repo', ...args);
      await run('init', '--mode=bare-user');
      await run('config', 'set', 'core.fsync', 'false');
      const keyFile = join(dir, 'keys.gpg');
      if (keys !== undefined) writeFileSync(keyFile, keys);
      const trust =
        keys === undefined
          ? ['--no-gpg-verify']
          : [`--gpg-import=${keyFile}`, `--set=gpg-verify-summary=${signedSummary}`];
      await run('remote', 'add', ...trust, 'origin', url);
      return { run, dir, pull: (...args) => run('pull', agent, ...args) };
    },
    async close() {
      source.remove();
      await rig.close();
      rmSync(rig.dir, { recursive: true, force: true });
    },
  };
}
