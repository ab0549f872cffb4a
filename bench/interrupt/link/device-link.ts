import { Coverages } from './coverage.ts';

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
  #fault: LinkFault | undefined;
  /** How often the fault has struck in this run. */
  #strikes = 0;
  #watch: { readonly at: number; readonly call: () => void } | undefined;
  readonly #readHeld: () => Promise<Coverages>;
  #held = new Coverages();
  #carried = new Coverages();
  #run: Carried = NOTHING;

  /** `readHeld` tells which bytes of blobs lie right on the device's disk. */
  constructor(readHeld: () => Promise<Coverages>) {
    this.#readHeld = readHeld;
  }

  get fault(): LinkFault | undefined {
    return this.#fault;
  }

  get strikes(): number {
    return this.#strikes;
  }

  /** Since the run began. */
  get run(): Carried {
    return this.#run;
  }

  /** A device starts on its way to another release: what it fetched before does not count. */
  beginLeg(): void {
    this.#carried = new Coverages();
    this.#held = new Coverages();
  }

  /** A process of the device starts. */
  beginRun(fault: LinkFault | undefined): void {
    this.#fault = fault;
    this.#strikes = 0;
    this.#run = NOTHING;
    this.#watch = undefined;
  }

  /** Calls once so many bytes were carried in this run. */
  onByte(at: number, call: () => void): void {
    this.#watch = { at, call };
  }

  /** Notes what the device has now: before it is sent more, and when a process of it has ended. */
  async look(): Promise<void> {
    this.#held.addAll(await this.#readHeld());
  }

  /** A power cut took some of what the device had. */
  async lookAgain(): Promise<void> {
    this.#held = await this.#readHeld();
  }

  struck(): void {
    this.#strikes += 1;
  }

  /** How many of the next bytes go before the link breaks; undefined when it does not. */
  roomBeforeBreak(): number | undefined {
    const { kind, at = 0 } = this.#fault ?? {};
    if ((kind !== 'cut' && kind !== 'stall') || this.#strikes > 0) return undefined;
    return Math.max(0, at - this.#run.bytes);
  }

  carried(digest: string, start: number, length: number): void {
    const range = { start, endExclusive: start + length };
    const { bytes, twiceHeld, twiceCarried } = this.#run;
    this.#run = {
      bytes: bytes + length,
      twiceHeld: twiceHeld + this.#held.of(digest).overlap(range),
      twiceCarried: twiceCarried + this.#carried.of(digest).add(range),
    };
    if (this.#watch === undefined || this.#run.bytes < this.#watch.at) return;
    const { call } = this.#watch;
    this.#watch = undefined;
    call();
  }
}
