import type { Device } from './device.ts';
import { DeviceError } from './errors.ts';
import { slotPath, type SlotName } from './paths.ts';
import { runCommand } from './run-command.ts';
import { targetPath } from './targets/spec.ts';

export type HookName = 'pre-install' | 'pre-activate' | 'post-activate' | 'health' | 'reboot';

/** What a command is told of the update, beside `RIVULET_HOOK` and `RIVULET_DATA`. */
export interface HookFacts {
  /** The slot that the release is in, or goes to. */
  readonly slot?: SlotName | undefined;
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  /** `update`, or `rollback` when the agent goes back. */
  readonly reason: 'update' | 'rollback';
}

/**
 * Runs one of the operator's commands, if it is configured. Resolves to undefined when it is not or
 * exits 0, else to what went wrong. May run again for the same release after a crash. Its environment:
 * RIVULET_HOOK, RIVULET_REASON, RIVULET_DATA, RIVULET_IMAGE (the release's OCI layout), RIVULET_TARGET
 * (the folder, file or device of `--target`), RIVULET_FROM and RIVULET_TO (manifest digests; empty for
 * nothing).
 */
export async function runHook(
  device: Device,
  hook: HookName,
  facts: HookFacts,
): Promise<string | undefined> {
  const { command, timeoutMs } = commandOf(device, hook);
  if (command === undefined) return undefined;
  const { paths, options, signal } = device;
  const { slot } = facts;
  return runCommand({
    what: `the ${hook} command`,
    command,
    timeoutMs,
    signal,
    env: {
      RIVULET_HOOK: hook,
      RIVULET_REASON: facts.reason,
      RIVULET_DATA: paths.root,
      RIVULET_IMAGE: slot === undefined ? '' : slotPath(paths, slot),
      RIVULET_TARGET: targetPath(options.target, slot) ?? '',
      RIVULET_FROM: facts.from ?? '',
      RIVULET_TO: facts.to ?? '',
    },
  });
}

/**
 * Runs a hook that may forbid the next step: throws `hook_refused` unless it exits 0. That is no fault
 * of the release, so no report tells it; the next check does.
 */
export async function askHook(
  device: Device,
  hook: 'pre-install' | 'pre-activate',
  facts: HookFacts,
): Promise<void> {
  const fault = await runHook(device, hook, facts);
  if (fault === undefined) return;
  throw new DeviceError(
    'hook_refused',
    `the ${hook} command said no (${fault}); what runs is unchanged, the next run asks again`,
  );
}

function commandOf(
  device: Device,
  hook: HookName,
): { readonly command: string | undefined; readonly timeoutMs: number } {
  const { options } = device;
  const timeoutMs = options.hookTimeoutMs;
  switch (hook) {
    case 'pre-install':
      return { command: options.preInstall, timeoutMs };
    case 'pre-activate':
      return { command: options.preActivate, timeoutMs };
    case 'post-activate':
      return { command: options.postActivate, timeoutMs };
    case 'reboot':
      return { command: options.rebootCommand, timeoutMs };
    case 'health':
      return { command: options.health, timeoutMs: options.healthTimeoutMs };
  }
}
