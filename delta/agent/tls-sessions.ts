import type { KeptSession, SessionStore } from './connect.ts';
import { readSmall, writeDurable } from './durable.ts';
import { toDeviceError } from './errors.ts';
import { JsonReader } from './json.ts';

const MAX_FILE_BYTES = 65_536;
const MAX_SESSIONS = 4;
const MAX_SESSION_BYTES = 8192;
/** What a handshake verified is believed for so long. */
const MAX_AGE_MS = 24 * 3_600_000;
const OWNER_ONLY = 0o600;

interface Session extends KeptSession {
  /** Host and port that the handshake verified. */
  readonly host: string;
  readonly savedMs: number;
}

/**
 * TLS sessions kept between runs, so that a check an hour costs no whole handshake: tls-sessions.json,
 * for the owner's eyes. A session is offered to the very host and port that it came from.
 */
export class TlsSessions implements SessionStore {
  readonly #path: string;
  readonly #nowMs: () => number;
  #sessions: readonly Session[];
  #isChanged = false;

  private constructor(path: string, sessions: readonly Session[], nowMs: () => number) {
    this.#path = path;
    this.#sessions = sessions;
    this.#nowMs = nowMs;
  }

  /** Opens what earlier runs kept; a damaged file is as good as none. */
  static async open(
    path: string,
    nowMs: () => number,
    onWarning: (message: string) => void,
  ): Promise<TlsSessions> {
    try {
      return new TlsSessions(path, await readSessions(path), nowMs);
    } catch (error) {
      onWarning(`${toDeviceError(error, path).message}; TLS begins with whole handshakes`);
      return new TlsSessions(path, [], nowMs);
    }
  }

  get(host: string): KeptSession | undefined {
    const found = this.#sessions.find((session) => session.host === host);
    if (found === undefined) return undefined;
    const ageMs = this.#nowMs() - found.savedMs;
    return ageMs >= 0 && ageMs < MAX_AGE_MS ? found : undefined;
  }

  keep(host: string, { ticket, isTls13 }: KeptSession): void {
    if (ticket.length > MAX_SESSION_BYTES) return;
    this.forget(host);
    const session = { host, ticket, isTls13, savedMs: this.#nowMs() };
    this.#sessions = [...this.#sessions, session].slice(-MAX_SESSIONS);
    this.#isChanged = true;
  }

  forget(host: string): void {
    this.#sessions = this.#sessions.filter((session) => session.host !== host);
    this.#isChanged = true;
  }

  async save(): Promise<void> {
    if (!this.#isChanged) return;
    const sessions = this.#sessions.map(({ host, savedMs, isTls13, ticket }) => ({
      ...{ host, savedMs, isTls13 },
      ticket: ticket.toString('base64'),
    }));
    await writeDurable(this.#path, `${JSON.stringify({ sessions })}\n`, OWNER_ONLY);
    this.#isChanged = false;
  }
}

async function readSessions(path: string): Promise<readonly Session[]> {
  const bytes = await readSmall(path, MAX_FILE_BYTES);
  if (bytes === undefined) return [];
  return JsonReader.parse(bytes, path, 'state_corrupt')
    .objects('sessions', MAX_SESSIONS)
    .map((session) => ({
      host: session.string('host', 300),
      savedMs: session.count('savedMs'),
      isTls13: session.has('isTls13') && session.scalar('isTls13') === true,
      ticket: Buffer.from(session.string('ticket', 2 * MAX_SESSION_BYTES), 'base64'),
    }));
}
