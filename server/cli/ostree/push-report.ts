import type { Checksum } from '../../../delta/ostree/objects/checksum.ts';
import type { RepoName } from '../../../storage/names.ts';
import type { RefName } from '../../../delta/ostree/ref-name.ts';
import { formatBytes, type Bar, type Output } from '../output.ts';
import type { PushEvents, PushReport } from './push-commit.ts';

/** Shows a push as it goes on: a bar for people, lines for programs. */
export class PushProgress implements PushEvents {
  readonly #output: Output;
  #bar: Bar | undefined;
  #missing = 0;
  #bytes = 0;
  #percent = 0;

  constructor(output: Output) {
    this.#output = output;
  }

  /** Bytes of objects that went out. */
  get sentBytes(): number {
    return this.#bytes;
  }

  counted(objects: number, missing: number): void {
    this.#missing = missing;
    this.#output.event({ event: 'objects', objects, missing });
    if (missing > 0) this.#bar = this.#output.bar(`${missing} objects`, 100, 'percent');
  }

  progress(done: number): void {
    const percent = Math.floor((100 * done) / this.#missing);
    if (percent === this.#percent) return;
    this.#percent = percent;
    this.#bar?.update(percent);
    this.#output.event({ event: 'progress', sent: done, missing: this.#missing });
  }

  bytes(count: number): void {
    this.#bytes += count;
  }
}

/** The last words of a push that worked. */
export function sayPushed(
  output: Output,
  repo: RepoName,
  ref: RefName,
  report: PushReport,
  bytes: number,
): void {
  const { commit, before, objects, sent, boundTo } = report;
  const there = objects - sent;
  output.finish();
  output.say(`pushed ${repo} ${ref} ${commit} (${wasText(before, commit)})`);
  output.say(`  ${sent} objects sent (${formatBytes(bytes)}), ${there} were there`);
  if (boundTo.length > 0 && !boundTo.includes(ref)) {
    output.say(
      `  note: the commit says that it is for ${boundTo.join(', ')} (ostree.ref-binding): clients pull it as ${ref} only with --disable-verify-bindings`,
    );
  }
  output.event({
    event: 'pushed',
    repo,
    ref,
    commit,
    before: before ?? null,
    objects,
    sent,
    exists: there,
    bytes,
    boundTo,
  });
}

/** What a ref was before it was moved, in words. */
export function wasText(before: Checksum | undefined, commit: Checksum): string {
  if (before === undefined) return 'new';
  return before === commit ? 'as before' : `was ${before}`;
}
