import { parseRefName, type RefName } from '../../../delta/ostree/ref-name.ts';
import { isChecksum } from '../../../delta/ostree/objects/checksum.ts';
import { isDeltaError } from '../../../delta/errors.ts';
import { ServerError } from '../../errors.ts';

/** Options that pushing and mirroring OSTree commits share, as they were typed. */
export interface CommitOptions {
  readonly server: string;
  readonly branch?: string;
  readonly depth?: string;
  readonly force?: true;
  readonly token?: string;
  readonly json?: true;
}

/** More than any history has. */
const MAX_DEPTH = 1_000_000;

/** The token that was given, or that is in the environment. */
export function tokenOf(options: { readonly token?: string }): string | undefined {
  return options.token ?? process.env['RIVULET_TOKEN'];
}

/** How many ancestors go too: a number, or `all`; none unless said. Throws `usage`. */
export function parseDepth(text: string | undefined): number {
  if (text === undefined) return 0;
  if (text === 'all') return MAX_DEPTH;
  const depth = /^\d{1,7}$/.test(text) ? Number(text) : Infinity;
  if (depth <= MAX_DEPTH) return depth;
  throw new ServerError(
    'usage',
    `--depth ${JSON.stringify(text)}: expected how many parents go too (0 to ${MAX_DEPTH}) or all`,
  );
}

/**
 * The ref to be moved on the server: that of `--branch`, else the one in the source, without the remote
 * it came from. Throws `usage` for what is no ref, and for a checksum, which names none.
 */
export function branchOf(branch: string | undefined, from: string): RefName {
  if (branch === undefined && isChecksum(from)) {
    throw new ServerError(
      'usage',
      `${from} is a commit: say --branch REF, the ref that moves to it`,
    );
  }
  const text = branch ?? from.slice(from.indexOf(':') + 1);
  try {
    return parseRefName(text);
  } catch (error) {
    if (!isDeltaError(error, 'bad_format')) throw error;
    const message = error instanceof Error ? error.message : '';
    throw new ServerError('usage', `--branch: ${message}`, { cause: error });
  }
}
