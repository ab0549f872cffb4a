import { Coverages } from './coverages.ts';

/** What the link does beside passing bytes on. */
export interface LinkFault {
  /**
   * `portal`: every answer, `portal-blobs`: every blob is a log-in page under 200. `strip-range`: no
   * Range reaches the server. `cut`: the connection that carries byte `at` ends there. `stall`: it falls
   * silent there. `lossy`: of a hundred answers `at` break off somewhere, or never come.
   */
  readonly kind: 'portal' | 'portal-blobs' | 'strip-range' | 'cut' | 'stall' | 'lossy';
  readonly at?: number;
}

/** Bytes of blobs that were carried to a device. */
export interface Carried {
  readonly bytes: number;
  /** Of those: bytes that had lain right on the device's disk, and that no power cut has taken. */
  readonly twiceHeld: number;
  /** Of those: bytes that were carried to it before, even if it died before it could keep them. */
  readonly twiceCarried: number;
}

const NOTHING: Carried = { bytes: 0, twiceHeld: 0, twiceCarried: 0 };

/** One device's way to the servers: what goes wrong on it, and what was carried. */
export class DeviceLink {
  /** Bytes per second. */
  rate = Number.POSITIVE_INFINITY;
  #mode: LinkFault | undefined;
  /** Cuts and stalls that are to come in this run, the next one first. */
  #breaks: LinkFault[] = [];
  readonly #struck = new Set<LinkFault>();
  #watches: readonly Watch[] = [];
  readonly #readHeld: () => Promise<Coverages>;
  #held = new Coverages();
  #carried = new Coverages();
  #run: Carried = NOTHING;
  #legBytes = 0;

  /** `readHeld` tells which bytes of blobs lie right on the device's disk. */
  constructor(readHeld: () => Promise<Coverages>) {
    this.#readHeld = readHeld;
  }

  /** What holds for the whole run. */
  get mode(): LinkFault | undefined {
    return this.#mode;
  }

  /** Whether a fault of this run has done anything yet. */
  hasStruck(fault: LinkFault): boolean {
    return this.#struck.has(fault);
  }

  /** How many of this run's faults have. */
  get strikes(): number {
    return this.#struck.size;
  }

  /** Bytes of blobs that the device was sent on its way to this release, each once. */
  get legBytes(): number {
    return this.#legBytes;
  }

  /** Since the run began. */
  get run(): Carried {
    return this.#run;
  }

  /** A device starts on its way to another release: what it fetched before does not count. */
  beginLeg(): void {
    this.#carried = new Coverages();
    this.#held = new Coverages();
    this.#legBytes = 0;
  }

  /** A process of the device starts. Any number of cuts and stalls may come, of the rest one. */
  beginRun(faults: readonly LinkFault[]): void {
    const breaks = faults.filter(isBreak);
    this.#breaks = breaks.sort((one, other) => (one.at ?? 0) - (other.at ?? 0));
    this.#mode = faults.find((fault) => !isBreak(fault));
    this.#struck.clear();
    this.#run = NOTHING;
    this.#watches = [];
  }

  /** Calls once so many bytes were carried in this run. */
  onByte(at: number, call: () => void): void {
    this.#watches = [...this.#watches, { at, call }];
  }

  /** Notes what the device has now: before it is sent more, and when a process of it has ended. */
  async look(): Promise<void> {
    this.#held.addAll(await this.#readHeld());
  }

  /** A power cut took some of what the device had. */
  async lookAgain(): Promise<void> {
    this.#held = await this.#readHeld();
  }

  /** What holds for the run has shown. */
  modeStruck(): void {
    if (this.#mode !== undefined) this.#struck.add(this.#mode);
  }

  /** How many of the next bytes go before the link breaks; undefined when it does not. */
  roomBeforeBreak(): number | undefined {
    const [next] = this.#breaks;
    return next && Math.max(0, (next.at ?? 0) - this.#run.bytes);
  }

  /** The link breaks: returns whether it falls silent. */
  breakNow(): boolean {
    const next = this.#breaks.shift();
    if (next !== undefined) this.#struck.add(next);
    return next?.kind === 'stall';
  }

  carried(digest: string, start: number, length: number): void {
    const range = { start, endExclusive: start + length };
    const { bytes, twiceHeld, twiceCarried } = this.#run;
    const again = this.#carried.of(digest).add(range);
    this.#legBytes += length - again;
    this.#run = {
      bytes: bytes + length,
      twiceHeld: twiceHeld + this.#held.of(digest).overlap(range),
      twiceCarried: twiceCarried + again,
    };
    const due = this.#watches.filter(({ at }) => at <= this.#run.bytes);
    if (due.length === 0) return;
    this.#watches = this.#watches.filter((watch) => !due.includes(watch));
    for (const { call } of due) call();
  }
}

interface Watch {
  readonly at: number;
  readonly call: () => void;
}

function isBreak({ kind }: LinkFault): boolean {
  return kind === 'cut' || kind === 'stall';
}
