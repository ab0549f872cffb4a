import { DeltaError } from '../errors.ts';
import { parseCollectionId, type CollectionId } from './ref-name.ts';

/** How a repository keeps its objects; `archive-z2` is the older name of `archive`. */
export type RepoMode = 'archive' | 'bare' | 'bare-user' | 'bare-user-only';

/** What of a repository's `config` matters to a reader. */
export interface RepoConfig {
  readonly mode: RepoMode;
  readonly collectionId: CollectionId | undefined;
  /** A bare repository whose files' extended attributes are not part of its objects. */
  readonly disableXattrs: boolean;
}

const MODES = new Map<string, RepoMode>([
  ['archive', 'archive'],
  ['archive-z2', 'archive'],
  ['bare', 'bare'],
  ['bare-user', 'bare-user'],
  ['bare-user-only', 'bare-user-only'],
]);

/** Characters; the real ones have hundreds. */
const MAX_LENGTH = 1024 * 1024;

/** The text of the `config` of an archive repository with delta indexes. */
export function formatConfig(collectionId?: CollectionId): string {
  const lines = ['[core]', 'repo_version=1', 'mode=archive-z2', 'indexed-deltas=true'];
  if (collectionId !== undefined) lines.push(`collection-id=${collectionId}`);
  return `${lines.join('\n')}\n`;
}

/**
 * Reads a repository's `config`, a GLib key file of which only the group `core` matters. Throws
 * `bad_format` for what is no key file, and for a version or mode that is not known here.
 */
export function parseConfig(text: string): RepoConfig {
  if (text.length > MAX_LENGTH) throw broken(`it has ${text.length} characters`);
  const core = readGroup(text, 'core');
  const version = core.get('repo_version');
  if (version !== '1') throw broken(`repo_version is ${version ?? 'absent'}, not 1`);
  // GLib's default, from before there were modes.
  const name = core.get('mode') ?? 'bare';
  const mode = MODES.get(name);
  if (mode === undefined) {
    throw broken(`the mode ${name} is not known (${[...MODES.keys()].join(', ')} are)`);
  }
  const collectionId = core.get('collection-id');
  return {
    mode,
    collectionId: collectionId === undefined ? undefined : parseCollectionId(collectionId),
    disableXattrs: core.get('disable-xattrs') === 'true',
  };
}

/** The keys of one group; a key that stands twice has its last value, as in GLib. */
function readGroup(text: string, wanted: string): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  let group: string | undefined;
  for (const line of text.split('\n').map((line) => line.trim())) {
    if (line === '' || line.startsWith('#')) continue;
    const heading = /^\[([^\]]*)\]$/.exec(line);
    if (heading !== null) {
      group = heading[1];
      continue;
    }
    const equals = line.indexOf('=');
    if (equals <= 0 || group === undefined)
      throw broken(`a line is neither group nor key: ${line}`);
    if (group === wanted)
      values.set(line.slice(0, equals).trimEnd(), line.slice(equals + 1).trim());
  }
  return values;
}

function broken(problem: string): DeltaError {
  return new DeltaError('bad_format', `a repository's config: ${problem.slice(0, 300)}`);
}
