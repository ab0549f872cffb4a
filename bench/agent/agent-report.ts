import { formatCount, formatTable } from '../table.ts';
import type { Closure } from './import-closure.ts';
import type { UpdateCost } from './updates.ts';

/** A program's start, the median of some. */
export interface Start {
  readonly what: string;
  readonly ms: number;
  readonly cpuMs: number;
}

export interface AgentFigures {
  readonly megabytes: number;
  readonly closure: Closure;
  readonly starts: readonly Start[];
  /** Of a Node that does nothing. */
  readonly bareRssBytes: number;
  readonly updates: readonly UpdateCost[];
}

const MEGABYTE = 1_000_000;
/** What is asked of a board with 512 MB. */
const MOST_RSS_MB = 80;

/** The figures for people. */
export function agentMarkdown(figures: AgentFigures): string {
  const { closure, starts, updates, bareRssBytes, megabytes } = figures;
  const server = closure.files.filter((file) => file.startsWith('server'));
  const packages = closure.packages.reduce((sum, { bytes }) => sum + bytes, 0);
  const most = Math.max(...updates.map(({ peakRssBytes }) => peakRssBytes));
  return [
    `The agent on a device; an image with a layer of ${megabytes} MB`,
    formatTable(
      ['on the disk, Node apart', 'files', 'KB'],
      [
        ['our code', formatCount(closure.files.length), kilobytes(closure.fileBytes)],
        ...closure.packages.map(({ name, bytes }) => [name, '-', kilobytes(bytes)]),
        ['in all', '-', kilobytes(closure.fileBytes + packages)],
      ],
    ),
    `Files of the server among them: ${server.length === 0 ? 'none' : server.join(', ')}. Packages count whole, as npm installs them, sources and maps too.`,
    formatTable(
      ['start', 'ms', 'processor ms'],
      starts.map(({ what, ms, cpuMs }) => [what, formatCount(Math.round(ms)), formatCount(cpuMs)]),
    ),
    formatTable(
      ['update', 'KB on the wire', 's', 'processor s', 'peak RSS MB', 'MB written'],
      updates.map((update) => [
        update.plan,
        kilobytes(update.wireBytes),
        (update.ms / 1000).toFixed(1),
        (update.cpuMs / 1000).toFixed(1),
        formatCount(Math.round(update.peakRssBytes / MEGABYTE)),
        (update.writtenBytes / MEGABYTE).toFixed(1),
      ]),
    ),
    `The most memory: ${Math.round(most / MEGABYTE)} MB; asked: less than ${MOST_RSS_MB} MB. A Node that does nothing has ${Math.round(bareRssBytes / MEGABYTE)} MB. RSS counts pages of Node's own program that the kernel may drop. "MB written" are bytes given to writes in the device's folder, downloads and state included; a file system adds its own.`,
  ].join('\n\n');
}

function kilobytes(bytes: number): string {
  return formatCount(Math.round(bytes / 1000));
}
