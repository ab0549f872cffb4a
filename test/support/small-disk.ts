import { execFileSync, spawnSync } from 'node:child_process';

/**
 * Mounts a tmpfs of so many MiB on an empty folder, for a disk that gets full. Undefined where this
 * is not allowed, after a line that says what is skipped; under `CI=true` that is an error.
 */
export function mountSmallDisk(path: string, mebibytes: number): { unmount(): void } | undefined {
  const options = `size=${mebibytes}m`;
  const { status, stderr } = spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', path], {
    encoding: 'utf8',
  });
  if (status === 0) {
    return {
      unmount() {
        execFileSync('umount', ['-l', path]);
      },
    };
  }
  const message = `a full disk needs the right to mount a small tmpfs (${stderr.trim()})`;
  if (process.env['CI'] === 'true') throw new Error(message);
  process.stdout.write(`skip: ${message}\n`);
  return undefined;
}
