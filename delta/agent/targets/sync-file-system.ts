import { spawn } from 'node:child_process';

import { DeviceError } from '../errors.ts';

/**
 * Makes all that was written to a folder's file system durable: one syncfs(2), by `sync -f` (coreutils
 * 8.24, busybox), instead of one fsync for each of thousands of files; Node has no call for it.
 */
export function syncFileSystem(folder: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn('sync', ['-f', folder], { stdio: ['ignore', 'ignore', 'pipe'] });
    let output = '';
    child.stderr.on('data', (bytes: Buffer) => {
      output = (output + bytes.toString('utf8')).slice(-500);
    });
    child.once('error', (cause) => {
      reject(new DeviceError('io', `the program sync does not start: ${cause.message}`, { cause }));
    });
    child.once('close', (code) => {
      if (code === 0) resolve();
      else reject(new DeviceError('io', `"sync -f ${folder}" failed: ${output.trim()}`));
    });
  });
}
