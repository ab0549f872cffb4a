import { isAbsolute, normalize } from 'node:path';

import type { SlotName } from '../paths.ts';

/** What a release becomes when it is activated; what `--target` says. */
export type TargetSpec =
  | { readonly kind: 'layout' }
  | { readonly kind: 'rootfs'; readonly path: string }
  | { readonly kind: 'file'; readonly path: string }
  | {
      readonly kind: 'ab';
      /** The devices, or plain files, of the slots a and b. */
      readonly a: string;
      readonly b: string;
      /** A symlink to the device that runs. */
      readonly link?: string | undefined;
    };

const EXPECTED =
  'expected layout, rootfs:DIR, file:PATH or ab:DEVICE_A,DEVICE_B[,LINK] with absolute paths';

/** Reads a target; throws a message that says what is expected. */
export function parseTargetSpec(text: string): TargetSpec {
  if (text === 'layout') return { kind: 'layout' };
  const [, kind, rest = ''] = /^(rootfs|file|ab):([^\0]{1,4096})$/s.exec(text) ?? [];
  const paths = kind === 'ab' ? rest.split(',') : [rest];
  if (kind === undefined || paths.some((path) => !isProper(path))) throw new Error(EXPECTED);
  const [a = '', b = '', link] = paths;
  if (kind !== 'ab') return kind === 'rootfs' ? { kind, path: a } : { kind: 'file', path: a };
  if (paths.length > 3 || b === '' || new Set(paths).size !== paths.length) {
    throw new Error(EXPECTED);
  }
  return { kind: 'ab', a, b, link };
}

/** A target in its canonical form, as config.json has it. */
export function canonicalTarget(text: string): string {
  parseTargetSpec(text);
  return text;
}

/** The folder, file or device that a slot's release becomes; undefined where there is none. */
export function targetPath(text: string, slot: SlotName | undefined): string | undefined {
  const spec = parseTargetSpec(text);
  if (spec.kind === 'layout') return undefined;
  if (spec.kind !== 'ab') return spec.path;
  return slot === undefined ? undefined : spec[slot];
}

/** Absolute, no root, no detours: what is compared as text is then the same place. */
function isProper(path: string): boolean {
  return isAbsolute(path) && normalize(path) === path && !path.endsWith('/');
}
