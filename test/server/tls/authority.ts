import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const EC = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

export interface Pair {
  readonly certFile: string;
  readonly keyFile: string;
  readonly cert: string;
  readonly key: string;
}

export interface LeafOptions {
  /** Such as `URI:spiffe://td/x,DNS:localhost`. */
  readonly san?: string;
  /** OpenSSL's form; default `/CN=NAME`. */
  readonly subject?: string;
  /** More lines of the extensions section. */
  readonly extensions?: readonly string[];
  /** From now; negative: expired since. */
  readonly days?: number;
}

/** A certificate authority made by the `openssl` program, in a folder of its own. */
export class Authority {
  readonly certFile: string;
  readonly #folder: string;
  readonly #keyFile: string;

  constructor(folder: string, name: string) {
    this.#folder = join(folder, name);
    mkdirSync(this.#folder, { recursive: true });
    this.certFile = join(this.#folder, 'ca.pem');
    this.#keyFile = join(this.#folder, 'ca.key');
    openssl(
      ['req', '-x509', ...EC, '-keyout', this.#keyFile, '-out', this.certFile],
      ['-subj', `/CN=${name}`, '-days', '10'],
    );
    // What `openssl ca` wants to know and to keep.
    writeFileSync(join(this.#folder, 'index'), '');
    writeFileSync(join(this.#folder, 'serial'), '1000\n');
  }

  get cert(): string {
    return readFileSync(this.certFile, 'latin1');
  }

  /** A certificate for a server on loopback. */
  server(name = 'server'): Pair {
    return this.leaf(name, { san: 'DNS:localhost,IP:127.0.0.1,IP:::1' });
  }

  leaf(name: string, options: LeafOptions = {}): Pair {
    const { san, subject = `/CN=${name}`, extensions = [], days = 5 } = options;
    const at = (end: string): string => join(this.#folder, `${name}.${end}`);
    const sections = [
      '[ca]\ndefault_ca=c\n[c]',
      `database=${join(this.#folder, 'index')}\nserial=${join(this.#folder, 'serial')}`,
      `new_certs_dir=${this.#folder}\ndefault_md=sha256\npolicy=p\nunique_subject=no\nx509_extensions=x`,
      '[p]\ncommonName=optional\norganizationName=optional\n[req]\ndistinguished_name=n\n[n]\n[x]',
      ...(extensions.length === 0 ? ['basicConstraints=CA:FALSE'] : extensions),
      ...(san === undefined ? [] : [`subjectAltName=${san}`]),
    ];
    writeFileSync(at('cnf'), `${sections.join('\n')}\n`);
    openssl(
      ['req', ...EC, '-keyout', at('key'), '-out', at('csr'), '-subj', subject],
      ['-config', at('cnf'), '-utf8'],
    );
    openssl(
      ['ca', '-batch', '-notext', '-utf8', '-preserveDN', '-config', at('cnf'), '-in', at('csr')],
      ['-out', at('pem'), '-cert', this.certFile, '-keyfile', this.#keyFile],
      ['-startdate', stamp(Math.min(-1, days - 1)), '-enddate', stamp(days)],
    );
    return {
      certFile: at('pem'),
      keyFile: at('key'),
      cert: readFileSync(at('pem'), 'latin1'),
      key: readFileSync(at('key'), 'latin1'),
    };
  }
}

function stamp(days: number): string {
  const time = new Date(Date.now() + days * 86_400_000).toISOString();
  return `${time.slice(0, 19).replaceAll(/[-:T]/g, '')}Z`;
}

function openssl(...args: readonly (readonly string[])[]): void {
  execFileSync('openssl', args.flat(), { stdio: 'pipe' });
}
