import { mkdir } from 'node:fs/promises';

import type { Clock } from '../../storage/clock.ts';
import { HttpClient } from './http.ts';
import { takeLock } from './lock.ts';
import type { DeviceOptions } from './options.ts';
import type { Output } from './output.ts';
import type { DevicePaths } from './paths.ts';
import type { Decision, ReportedEvent } from './protocol.ts';
import { ReportQueue, reportHeader } from './reports.ts';
import { sendReports } from './send-reports.ts';
import { StateFile } from './state.ts';

/** What is injected into a run. */
export interface DeviceEnv {
  readonly paths: DevicePaths;
  readonly options: DeviceOptions;
  readonly output: Output;
  readonly clock: Clock;
  /** 0 to 1. */
  readonly random: () => number;
  readonly signal: AbortSignal;
}

/** A device's folder, locked and open for change. */
export interface Device extends DeviceEnv {
  readonly http: HttpClient;
  readonly state: StateFile;
  readonly reports: ReportQueue;
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
  const http = new HttpClient(options, options.stallMs);
  try {
    const state = await StateFile.open(paths.state, warn);
    const reports = await ReportQueue.open(paths.reports, options.reportLimitBytes);
    await mkdir(paths.fetch, { recursive: true });
    return await work({
      ...env,
      http,
      state,
      reports,
      warn,
      report: (decision, event) =>
        reports.add(reportHeader(decision, options.region), { ...event, atMs: clock() }),
      sendReports: () =>
        sendReports(reports, { http, servers: options.servers, signal, onWarning: warn }),
    });
  } finally {
    http.close();
    await lock.release();
  }
}
