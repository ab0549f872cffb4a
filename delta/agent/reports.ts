import { mkdir, readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

import { errnoOf, syncDirectory } from '../../storage/durable.ts';
import type { Digest } from '../../storage/digest.ts';
import { PLAN_KINDS } from './decision.ts';
import { readSmall, writeDurable } from './durable.ts';
import { DeviceError } from './errors.ts';
import { JsonReader } from './json.ts';
import type { EventsRequest, EventType, ReportedEvent } from './protocol.ts';

/** One event with the decision that it belongs to. */
export interface QueuedReport {
  readonly decisionId: string;
  readonly decision: EventsRequest['decision'];
  readonly event: ReportedEvent;
}

const EVENT_TYPES: readonly EventType[] = [
  'downloading',
  'applied',
  'booted',
  'healthy',
  'failed',
  'rolled_back',
];
/** How an update ended; the rest tells how it went. */
const ENDINGS: ReadonlySet<EventType> = new Set<EventType>(['healthy', 'failed', 'rolled_back']);
const NAME = /^(\d{16})-(p|e)\.json$/;
const MAX_REPORT_BYTES = 16_384;
const MAX_MESSAGE = 1000;

/**
 * Reports that wait for a server, one file each, named by sequence number and by whether it tells
 * progress (`p`) or an ending (`e`). Numbers ascend for ever: the next is durable before the report
 * that takes it, so that none is used twice. Past the size limit the oldest progress goes first,
 * then the oldest endings.
 */
export class ReportQueue {
  readonly #folder: string;
  readonly #limitBytes: number;

  private constructor(folder: string, limitBytes: number) {
    this.#folder = folder;
    this.#limitBytes = limitBytes;
  }

  static async open(folder: string, limitBytes: number): Promise<ReportQueue> {
    await mkdir(folder, { recursive: true });
    return new ReportQueue(folder, limitBytes);
  }

  async add(report: Omit<QueuedReport, 'event'>, event: Omit<ReportedEvent, 'seq'>): Promise<void> {
    const seq = await this.#nextSeq();
    const message = event.message?.slice(0, MAX_MESSAGE);
    const queued: QueuedReport = { ...report, event: { ...event, message, seq } };
    const kind = ENDINGS.has(event.type) ? 'e' : 'p';
    const name = `${seq.toString().padStart(16, '0')}-${kind}.json`;
    await writeDurable(join(this.#folder, name), JSON.stringify(queued));
    await this.#trim();
  }

  /** In the order in which they were added. A damaged report is dropped: it must not block the rest. */
  async list(onWarning: (message: string) => void): Promise<readonly QueuedReport[]> {
    const reports: QueuedReport[] = [];
    for (const name of await this.#names()) {
      const path = join(this.#folder, name);
      try {
        reports.push(parseReport(await readFile(path)));
      } catch (error) {
        if (!(error instanceof DeviceError)) throw error;
        onWarning(`${path}: ${error.message}; it is dropped`);
        await rm(path);
      }
    }
    return reports;
  }

  /** Removes reports that a server has taken. */
  async remove(reports: readonly QueuedReport[]): Promise<void> {
    const done = new Set(reports.map((report) => report.event.seq));
    for (const name of await this.#names()) {
      if (done.has(Number(NAME.exec(name)?.[1]))) await rm(join(this.#folder, name));
    }
    await syncDirectory(this.#folder);
  }

  async #nextSeq(): Promise<number> {
    const path = join(this.#folder, 'next');
    const text = (await readSmall(path, 32))?.toString('utf8') ?? '1';
    const seq = /^\d{1,15}$/.test(text) ? Number(text) : 1;
    await writeDurable(path, `${seq + 1}`);
    return seq;
  }

  async #names(): Promise<readonly string[]> {
    return reportNames(this.#folder);
  }

  async #trim(): Promise<void> {
    const names = await this.#names();
    const sizes = await Promise.all(
      names.map(async (name) => (await stat(join(this.#folder, name))).size),
    );
    let total = sizes.reduce((sum, size) => sum + size, 0);
    const order = [...names.keys()].sort((a, b) => rank(names[a]) - rank(names[b]) || a - b);
    for (const i of order) {
      const name = names[i];
      if (total <= this.#limitBytes || name === undefined) break;
      await rm(join(this.#folder, name));
      total -= sizes[i] ?? 0;
    }
  }
}

/** How many reports wait in a queue's folder. */
export async function countReports(folder: string): Promise<number> {
  return (await reportNames(folder)).length;
}

async function reportNames(folder: string): Promise<readonly string[]> {
  try {
    return (await readdir(folder)).filter((name) => NAME.test(name)).sort();
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
}

function rank(name: string | undefined): number {
  return name?.endsWith('-p.json') === true ? 0 : 1;
}

function parseReport(bytes: Buffer): QueuedReport {
  const reader = JsonReader.parse(bytes.subarray(0, MAX_REPORT_BYTES), 'report', 'state_corrupt');
  const decision = reader.object('decision');
  const event = reader.object('event');
  return {
    decisionId: reader.string('decisionId', 128),
    decision: {
      product: decision.string('product'),
      channel: decision.string('channel'),
      platform: decision.string('platform'),
      region: decision.has('region') ? decision.string('region') : undefined,
      from: decision.has('from') ? decision.digest('from') : undefined,
      to: decision.digest('to'),
    },
    event: {
      seq: event.count('seq'),
      type: event.oneOf('type', EVENT_TYPES),
      atMs: event.count('atMs'),
      plan: event.has('plan') ? event.oneOf('plan', PLAN_KINDS) : undefined,
      bytes: event.has('bytes') ? event.count('bytes') : undefined,
      wireBytes: event.has('wireBytes') ? event.count('wireBytes') : undefined,
      code: event.has('code') ? event.string('code') : undefined,
      message: event.has('message') ? event.string('message') : undefined,
    },
  };
}

/** What names a decision in reports. */
export function reportHeader(
  decision: {
    readonly id: string;
    readonly product: string;
    readonly channel: string;
    readonly platform: string;
    readonly target: { readonly digest: Digest };
    readonly from?: Digest | undefined;
  },
  region: string | undefined,
): Omit<QueuedReport, 'event'> {
  return {
    decisionId: decision.id,
    decision: {
      product: decision.product,
      channel: decision.channel,
      platform: decision.platform,
      region,
      from: decision.from,
      to: decision.target.digest,
    },
  };
}
