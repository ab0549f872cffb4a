import { makeCommit, type MadeCommit } from '../../bench/kills/content.ts';
import { OSTREE_REPO, pushCommit } from '../../bench/kills/registry-client.ts';
import { digestOf } from '../../storage/digest.ts';
import { fetchBytes, imageOf, pushImage, type NodeImage } from './node-image.ts';

const TAG = 'stable';
const REF = 'os/main';
/** As many versions before the present one have deltas to it, unless the settings say otherwise. */
const RELEASES = 3;

/** Releases that move tags and a ref, one after the other on each, until they are told to stop. */
export class VersionLoad {
  readonly #node: () => string;
  readonly #images: ReadonlyMap<string, NodeImage[]>;
  readonly #commits: MadeCommit[] = [];
  readonly #running: Promise<unknown>;
  #stopped = false;

  /** `node` is asked before each request. */
  constructor(node: () => string, repos: readonly string[]) {
    this.#node = node;
    this.#images = new Map(repos.map((repo) => [repo, []]));
    const pushers = [...this.#images].map(([repo, versions]) => this.#pushImages(repo, versions));
    this.#running = Promise.all([...pushers, this.#pushCommits()]);
  }

  /** Rejects with what a push was refused for. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  /** Once stopped: the pairs of the matrix, each as `REPO FROM TO`, ascending. */
  wanted(): readonly string[] {
    const images = [...this.#images].flatMap(([repo, versions]) =>
      pairs(
        repo,
        versions.map(({ digest }) => digest),
      ),
    );
    const heads = this.#commits.map(({ commit }) => commit);
    const fromScratch = `${OSTREE_REPO}  ${heads.at(-1) ?? ''}`;
    return [...images, fromScratch, ...pairs(OSTREE_REPO, heads)].toSorted();
  }

  /** Of all that was acknowledged what is missing, or other than it was pushed. */
  async lost(): Promise<readonly string[]> {
    const expected = new Map<string, Uint8Array>();
    for (const [repo, versions] of this.#images) {
      for (const { digest, manifest, blobs } of versions) {
        expected.set(`/v2/${repo}/manifests/${digest}`, manifest);
        for (const blob of blobs) expected.set(`/v2/${repo}/blobs/${digestOf(blob)}`, blob);
      }
    }
    for (const { name, bytes } of this.#commits.at(-1)?.metadata ?? []) {
      const path = `objects/${name.slice(0, 2)}/${name.slice(2)}`;
      expected.set(`/ostree/${OSTREE_REPO}/${path}`, bytes);
    }
    const lost: string[] = [];
    for (const [path, bytes] of expected) {
      const found = await fetchBytes(this.#node() + path).catch(String);
      if (typeof found === 'string') lost.push(found);
      else if (!found.equals(bytes)) lost.push(`${path}: other bytes`);
    }
    return lost;
  }

  async #pushImages(repo: string, versions: NodeImage[]): Promise<void> {
    while (!this.#stopped) {
      const image = imageOf(repo, versions.length + 1);
      await pushImage(this.#node, repo, TAG, image, 0);
      versions.push(image);
    }
  }

  async #pushCommits(): Promise<void> {
    while (!this.#stopped) {
      const made = await makeCommit('versions', this.#commits.length + 1);
      await pushCommit(this.#node(), REF, made.commit, made.objects);
      this.#commits.push(made);
    }
  }
}

/** From each of the last versions to the present one. */
function pairs(repo: string, versions: readonly string[]): readonly string[] {
  const earlier = versions.slice(0, -1).slice(-RELEASES);
  return earlier.map((from) => `${repo} ${from} ${versions.at(-1) ?? ''}`);
}
