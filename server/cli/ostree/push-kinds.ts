import { ServerError } from '../../errors.ts';

/** What a source becomes on the server. */
export type PushKind = 'image' | 'commit' | 'rootfs-commit';

/** The options of `rivulet push` that belong to some kinds only. */
const KINDS_OF: Readonly<Record<string, readonly PushKind[]>> = {
  branch: ['commit', 'rootfs-commit'],
  depth: ['commit'],
  force: ['commit', 'rootfs-commit'],
  subject: ['rootfs-commit'],
  body: ['rootfs-commit'],
  timestamp: ['rootfs-commit'],
  wait: ['image'],
};

const WORDS: Readonly<Record<PushKind, string>> = {
  image: 'an image',
  commit: 'an OSTree commit',
  'rootfs-commit': 'an OSTree commit that the server makes',
};

/** The form of a source (what stands before the colon) and the rest of it. */
export function splitForm(source: string): { readonly form: string; readonly rest: string } {
  const colon = source.indexOf(':');
  return { form: source.slice(0, Math.max(0, colon)), rest: source.slice(colon + 1) };
}

/** What is pushed: a rootfs becomes a commit when it is given a branch, else an image. */
export function kindOf(form: string, branch: string | undefined): PushKind {
  if (form === 'ostree' || form === 'ostree-archive') return 'commit';
  return form === 'rootfs' && branch !== undefined ? 'rootfs-commit' : 'image';
}

/** Throws `usage` for options that say nothing about what is pushed. */
export function checkOptions(kind: PushKind, options: Readonly<Record<string, unknown>>): void {
  for (const [name, kinds] of Object.entries(KINDS_OF)) {
    if (options[name] === undefined || kinds.includes(kind)) continue;
    throw new ServerError(
      'usage',
      `--${name} is not for ${WORDS[kind]}, but for ${kinds.map((one) => WORDS[one]).join(' and ')}`,
    );
  }
}
