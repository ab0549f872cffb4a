import type { JsonReader } from './json.ts';
import type { ChunksPlan, Decision, InstallWindowText, Plan, PlanKind } from './protocol.ts';
import { DeviceError } from './errors.ts';
import { parseWindow } from './window.ts';

export const PLAN_KINDS: readonly PlanKind[] = ['delta', 'chunks', 'full'];

const MAX_PLANS = 8;
const MAX_BASES = 16;
const MAX_LAYERS = 512;
/** Also a path segment of the events URL. */
const DECISION_ID = /^[A-Za-z0-9._:-]{1,128}$/;

/**
 * Narrows a decision that a server sent or that state.json holds; throws with the reader's code.
 * Plans of a kind or a source form that this agent does not know are left out: newer servers may
 * offer them.
 */
export function parseDecision(reader: JsonReader): Decision {
  const id = reader.string('id', 128);
  if (!DECISION_ID.test(id)) {
    throw new DeviceError('bad_answer', `a decision's id ${JSON.stringify(id)} is not a name`);
  }
  const target = reader.object('target');
  return {
    id,
    product: reader.string('product', 255),
    channel: reader.string('channel', 128),
    platform: reader.string('platform', 128),
    target: {
      digest: target.digest('digest'),
      size: target.count('size'),
      releaseCounter: target.count('releaseCounter'),
    },
    from: reader.has('from') ? reader.digest('from') : undefined,
    plans: reader.objects('plans', MAX_PLANS).flatMap((plan) => parsePlan(plan)),
    blobs: reader.strings('blobs', MAX_BASES).map(parseBase),
    expiresMs: reader.count('expiresMs'),
    ...limits(reader),
  };
}

/** What newer servers add; older ones leave it out. */
function limits(
  reader: JsonReader,
): Pick<Decision, 'maxBytes' | 'maxBps' | 'notBeforeMs' | 'installWindow' | 'meteredFull'> {
  const count = (key: string): number | undefined => optionalCount(reader, key);
  return {
    maxBytes: count('maxBytes'),
    maxBps: count('maxBps'),
    notBeforeMs: count('notBeforeMs'),
    installWindow: reader.has('installWindow')
      ? installWindow(reader.object('installWindow'))
      : undefined,
    meteredFull: reader.has('meteredFull') ? reader.scalar('meteredFull') === true : undefined,
  };
}

/** Checked here, so that a window that can't be read refuses the decision, not the activation. */
function installWindow(reader: JsonReader): InstallWindowText {
  const text = { window: reader.string('window', 1024), zone: reader.string('zone', 64) };
  try {
    parseWindow(text.window, text.zone);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new DeviceError('bad_answer', `a decision's installWindow: ${why}`, { cause });
  }
  return text;
}

function optionalCount(reader: JsonReader, key: string): number | undefined {
  return reader.has(key) ? reader.count(key) : undefined;
}

function parsePlan(reader: JsonReader): Plan[] {
  const base = { digest: reader.digest('digest'), ...sizes(reader) };
  switch (reader.string('kind', 64)) {
    case 'delta': {
      if (reader.string('source', 64) !== 'layers') return [];
      return [{ kind: 'delta', ...base, from: reader.digest('from'), source: 'layers' }];
    }
    case 'chunks':
      return [{ kind: 'chunks', ...base, layers: reader.objects('layers', MAX_LAYERS).map(layer) }];
    case 'full':
      return [{ kind: 'full', ...base }];
    default:
      return [];
  }
}

function sizes(reader: JsonReader): Pick<Plan, 'size' | 'ramBytes' | 'diskBytes' | 'writeBytes'> {
  return {
    size: reader.count('size'),
    ramBytes: reader.count('ramBytes'),
    diskBytes: optionalCount(reader, 'diskBytes'),
    writeBytes: optionalCount(reader, 'writeBytes'),
  };
}

function layer(reader: JsonReader): ChunksPlan['layers'][number] {
  const index = reader.object('index');
  return {
    diffId: reader.digest('diffId'),
    rawSize: reader.count('rawSize'),
    index: { digest: index.digest('digest'), size: index.count('size') },
  };
}

function parseBase(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol) || !text.endsWith('/v1/blobs/')) {
    throw new DeviceError(
      'bad_answer',
      `a decision's blob base ${JSON.stringify(text.slice(0, 200))} is not an http URL that ends in /v1/blobs/`,
    );
  }
  return text;
}
