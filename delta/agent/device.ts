import { mkdir } from 'node:fs/promises';

import type { Clock } from '../../storage/clock.ts';
import { toDeviceError } from './errors.ts';
import { HttpClient } from './http.ts';
import { takeLock } from './lock.ts';
import type { DeviceOptions } from './options.ts';
import type { Output } from './output.ts';
import type { DevicePaths } from './paths.ts';
import type { Decision, ReportedEvent } from './protocol.ts';
import { finishRestore } from './restore.ts';
import { ReportQueue, reportHeader } from './reports.ts';
import { sendReports } from './send-reports.ts';
import { PassingBuffers } from '../../storage/passing-buffers.ts';
import { openInstant } from './spend/account-clock.ts';
import { Budget } from './spend/budget.ts';
import { StateFile } from './state.ts';
import { TlsSessions } from './tls-sessions.ts';

/** What is injected into a run. */
export interface DeviceEnv {
  readonly paths: DevicePaths;
  readonly options: DeviceOptions;
  readonly output: Output;
  readonly clock: Clock;
  /** 0 to 1. */
  readonly random: () => number;
  readonly signal: AbortSignal;
  /** Names this boot of the machine. */
  readonly bootId: () => Promise<string>;
}

/** A device's folder, locked and open for change. */
export interface Device extends DeviceEnv {
  readonly http: HttpClient;
  readonly state: StateFile;
  readonly reports: ReportQueue;
  /** What the device may still spend on the wire. */
  readonly budget: Budget;
  /** Told of what passes through, so that little of it lies about. */
  readonly buffers: PassingBuffers;
  readonly warn: (message: string) => void;
  /** Queues an event of a decision. */
  report(decision: Decision, event: Omit<ReportedEvent, 'seq' | 'atMs'>): Promise<void>;
  /** Sends what is queued, as far as a server takes it. */
  sendReports(): Promise<void>;
}

/** Locks the folder, opens what is in it, and closes it after `work`, whatever happens. */
export async function withDevice<T>(
  env: DeviceEnv,
  work: (device: Device) => Promise<T>,
): Promise<T> {
  const { paths, options, output, clock, signal } = env;
  const warn = (message: string): void => {
    output.emit({ event: 'warning', message });
  };
  await mkdir(paths.root, { recursive: true });
  const lock = await takeLock(paths.lock);
  const sessions = await TlsSessions.open(paths.tlsSessions, clock, warn);
  const http = new HttpClient(options, options.stallMs, sessions);
  try {
    const state = await StateFile.open(paths.state, warn);
    const budget = await Budget.open({
      path: paths.usage,
      quota: options.quota,
      wireBytes: () => http.wireBytes,
      instant: await openInstant(clock),
      onWarning: warn,
    });
    const reports = await ReportQueue.open(paths.reports, options.reportLimitBytes);
    await mkdir(paths.fetch, { recursive: true });
    try {
      const device: Device = {
        ...env,
        http,
        state,
        reports,
        budget,
        buffers: new PassingBuffers(),
        warn,
        report: (decision, event) =>
          reports.add(reportHeader(decision, options.region), { ...event, atMs: clock() }),
        sendReports: async () => {
          const cover = (bytes: number): Promise<void> => budget.cover(bytes);
          const { servers } = options;
          await sendReports(reports, { http, servers, signal, onWarning: warn, cover });
        },
      };
      await finishRestore(device);
      return await work(device);
    } finally {
      await settle(budget, sessions, warn);
    }
  } finally {
    http.close();
    await lock.release();
  }
}

/** A disk that takes no record must not hide how the run itself ended. */
async function settle(
  budget: Budget,
  sessions: TlsSessions,
  warn: (message: string) => void,
): Promise<void> {
  try {
    await budget.settle();
    await sessions.save();
  } catch (error) {
    warn(`what was spent on the wire is not recorded: ${toDeviceError(error, 'usage').message}`);
  }
}
