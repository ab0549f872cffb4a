import type { Device } from './device.ts';
import { DeviceError } from './errors.ts';
import type { Decision } from './protocol.ts';
import { machineZone, nextOpenMs, parseWindow, type InstallWindow } from './window.ts';

/** The windows that bind the activation of a decision's release: the device's own and the decision's. */
function windowsOf(device: Device, decision: Decision): readonly InstallWindow[] {
  const { window, zone } = device.options;
  const { installWindow } = decision;
  return [
    ...(window === undefined ? [] : [parseWindow(window, zone ?? machineZone())]),
    ...(installWindow === undefined ? [] : [parseWindow(installWindow.window, installWindow.zone)]),
  ];
}

/** Until when activation waits; undefined when it may happen now. `config` when windows never meet. */
export function windowOpensMs(device: Device, decision: Decision): number | undefined {
  const nowMs = device.clock();
  const windows = windowsOf(device, decision);
  const opensMs = nextOpenMs(windows, nowMs);
  if (opensMs === undefined) {
    const texts = windows.map(({ text, zone }) => `"${text}" ${zone}`);
    throw new DeviceError(
      'config',
      `the windows ${texts.join(' and ')} never meet; change --window or the decision's`,
    );
  }
  return opensMs > nowMs ? opensMs : undefined;
}

/** Until when nothing is downloaded, by the device's clock; undefined when it may begin. */
export function downloadBeginsMs(
  device: Device,
  decision: Decision,
  serverMs: number | undefined,
): number | undefined {
  const nowMs = device.clock();
  const waitMs = (decision.notBeforeMs ?? 0) - (serverMs ?? nowMs);
  return waitMs > 0 ? nowMs + waitMs : undefined;
}
