import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { RepoMode } from '../../../delta/ostree/config.ts';
import { parseChecksum, type Checksum } from '../../../delta/ostree/objects/checksum.ts';
import { objectPath, type ObjectName } from '../../../delta/ostree/objects/object-name.ts';
import { needTool } from '../../clients/require.ts';

/** The real command, where it is installed. */
export const OSTREE = needTool('ostree');

/** A folder with a tree and a repository made by the real command. `remove` it. */
export class RealRepo {
  readonly folder = mkdtempSync(join(tmpdir(), 'rivulet-ostree-'));
  readonly path = join(this.folder, 'repo');
  readonly tree = join(this.folder, 'tree');

  constructor(mode: RepoMode, ...options: readonly string[]) {
    this.run('init', `--mode=${mode}`, ...options);
    mkdirSync(this.tree);
  }

  /** Runs `ostree --repo=…` and gives its output. */
  run(command: string, ...args: readonly string[]): string {
    return execFileSync(OSTREE ?? '', [command, `--repo=${this.path}`, ...args], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    }).trim();
  }

  /** Commits the tree; gives the commit. */
  commit(ref: string, ...args: readonly string[]): Checksum {
    return parseChecksum(this.run('commit', `--branch=${ref}`, `--tree=dir=${this.tree}`, ...args));
  }

  /** The bytes of an object, in a repository of mode archive. */
  object(name: ObjectName): Buffer {
    return readFileSync(join(this.path, objectPath(name)));
  }

  /** Paths of all objects, as `objects/xx/rest.ext`. */
  objects(): string[] {
    const folder = join(this.path, 'objects');
    return readdirSync(folder).flatMap((first) =>
      readdirSync(join(folder, first)).map((rest) => `objects/${first}/${rest}`),
    );
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/**
 * A tree with what a root file system has: setuid and sticky modes, empty files, symlinks, the same
 * content under two names and modes, names whose UTF-8 order is not their UTF-16 order, and extended
 * attributes where the file system takes them.
 */
export function fillTree(root: string): void {
  const file = (path: string, content: Buffer | string, mode = 0o644): void => {
    writeFileSync(join(root, path), content);
    chmodSync(join(root, path), mode);
  };
  for (const folder of ['usr/bin', 'usr/lib/deep/er', 'etc', 'tmp', 'void']) {
    mkdirSync(join(root, folder), { recursive: true });
  }
  chmodSync(join(root, 'tmp'), 0o1777);
  file('usr/bin/su', randomBytes(5000), 0o4755);
  file('usr/bin/large', Buffer.concat([randomBytes(300_000), Buffer.alloc(500_000, 'abc')]), 0o755);
  file('etc/passwd', 'root:x:0:0:root:/root:/bin/sh\n');
  file('etc/shadow', 'root:*:19000:0:99999:7:::\n', 0o640);
  file('etc/copy', 'root:x:0:0:root:/root:/bin/sh\n', 0o600);
  linkSync(join(root, 'etc/passwd'), join(root, 'etc/hard-link'));
  file('empty', '');
  file('etc/\u{fffd}', 'a name that UTF-16 sorts last');
  file('etc/\u{1f600}', 'a name that UTF-8 sorts last');
  file('usr/lib/deep/er/zürich', 'x');
  symlinkSync('usr/bin', join(root, 'bin'));
  symlinkSync('/etc/ünknown/target', join(root, 'etc/dangling'));
  // A symlink can have none that users may set.
  const onSymlink = process.getuid?.() === 0 ? ['trusted.a', join(root, 'bin')] : [];
  const [passwd, empty] = [join(root, 'etc/passwd'), join(root, 'void')];
  setXattrs(['user.z', passwd, 'user.a', passwd, 'user.a', empty, ...onSymlink]);
}

/** Sets attributes that are not text; the tree goes without where the file system takes none. */
function setXattrs(namesAndPaths: readonly string[]): void {
  const script =
    'import os, sys\n' +
    'for name, path in zip(sys.argv[1::2], sys.argv[2::2]):\n' +
    " os.setxattr(path, name, b'v\\0\\xff', follow_symlinks=False)";
  try {
    execFileSync('python3', ['-c', script, ...namesAndPaths], { stdio: 'ignore' });
  } catch {
    process.stdout.write('the tree goes without extended attributes\n');
  }
}
