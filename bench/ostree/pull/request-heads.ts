/** A head is never longer: whatever comes is no request of the client that is measured. */
const MAX_HEAD_BYTES = 64 * 1024;
const END = '\r\n\r\n';

/**
 * Finds the requests in what a client of an archive repository sends: heads without bodies, since it
 * only gets. The parts may end anywhere.
 */
export class RequestHeads {
  #rest = '';

  /** Targets of the requests that are whole now. Throws for what is none. */
  add(part: Buffer): string[] {
    const targets: string[] = [];
    let text = this.#rest + part.toString('latin1');
    for (let end = text.indexOf(END); end !== -1; end = text.indexOf(END)) {
      const match = /^(?:GET|HEAD) (\S+) HTTP\/1\.1\r\n/.exec(text);
      if (match === null) throw new Error(`no request without a body: ${text.slice(0, 100)}`);
      targets.push(match[1] ?? '');
      text = text.slice(end + END.length);
    }
    if (text.length > MAX_HEAD_BYTES) throw new Error('a request without an end');
    this.#rest = text;
    return targets;
  }
}
