import type { Device } from './device.ts';
import { goBack } from './go-back.ts';
import type { ResultEvent } from './output.ts';
import { activate } from './activate.ts';
import { DeviceError } from './errors.ts';

/**
 * Counts a boot into a release that waits to be confirmed: to be run early, before what it starts.
 * Past the limit of unconfirmed boots the agent goes back. A boot counts once, however often this
 * runs; without a release that waits nothing happens.
 */
export async function countBoot(device: Device): Promise<ResultEvent> {
  const { run } = device.state.value;
  if (run?.phase !== 'activated' || run.boot === undefined) return idle(device);
  const id = await device.bootId();
  const { boot } = run;
  if (boot.id === id) return idle(device);
  const counted = { ...run, boot: { id, attempts: boot.attempts + 1 } };
  const { bootAttempts } = device.options;
  if (counted.boot.attempts <= bootAttempts) {
    await device.state.change({ run: counted });
    return idle(device);
  }
  const unhealthy = `not confirmed in ${bootAttempts} boots`;
  await device.state.change({ run: { ...counted, unhealthy } });
  return goBack(device, { ...counted, unhealthy }, unhealthy);
}

/** Asks the health command about a release that waits; `update` does the same before it asks. */
export async function confirm(device: Device): Promise<ResultEvent> {
  const { run } = device.state.value;
  if (run?.phase !== 'activated') {
    throw new DeviceError('not_installed', 'there is no release that waits to be confirmed');
  }
  const result = await activate(device);
  await device.sendReports();
  return result;
}

function idle(device: Device): ResultEvent {
  const { run } = device.state.value;
  const waits = run?.phase === 'activated' && run.boot !== undefined;
  return {
    event: 'result',
    outcome: waits ? 'waiting' : 'up_to_date',
    ...(waits ? { reason: 'unconfirmed', to: run.decision.target.digest } : {}),
    bytes: 0,
    fetchMs: 0,
    applyMs: 0,
  };
}
