import { Agent, request } from 'node:http';

const AT_ONCE = 16;

/** What the mix asks for. */
export interface SoakTargets {
  readonly url: string;
  readonly repo: string;
  /** A tag of the repository. */
  readonly tag: string;
  /** Digests of blobs of 4 KiB. */
  readonly small: readonly string[];
  /** The digest of a blob of some MiB. */
  readonly large: string;
}

interface Asked {
  readonly path: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly status: number;
  /** Hangs up with the first bytes. */
  readonly leaves?: boolean;
}

/** Sends `count` requests of every kind that a server meets, and checks the status of each answer. */
export async function sendMix(targets: SoakTargets, count: number): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE });
  let sent = 0;
  const worker = async (): Promise<void> => {
    while (sent < count) {
      sent += 1;
      await ask(targets.url, nth(targets, sent), agent);
    }
  };
  try {
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
  } finally {
    agent.destroy();
  }
}

/** Most are small and whole, as on a registry's busy day. */
function nth({ repo, tag, small, large }: SoakTargets, n: number): Asked {
  const one = small[n % small.length] ?? '';
  const at = (n * 7919) % 1_000_000;
  switch (n % 16) {
    case 0:
      return { path: `/v1/blobs/${large}`, headers: range(`${at}-${at + 9999}`), status: 206 };
    case 1:
      return {
        path: `/v2/${repo}/blobs/${large}`,
        headers: range(`5-9,${at}-${at + 99},${at + 50}-${at + 70},-7`),
        status: 206,
      };
    case 2:
      return { path: `/v1/blobs/${one}`, method: 'HEAD', status: 200 };
    case 3:
      return { path: `/v1/blobs/sha256:${String(n).padStart(64, '0')}`, status: 404 };
    case 4:
      return { path: `/v2/${repo}/manifests/${tag}`, status: 200 };
    case 5:
      return { path: `/v2/${repo}/manifests/none-${n % 100}`, status: 404 };
    case 6:
      return { path: `/v1/blobs/${large}`, status: 200, leaves: true };
    case 7:
      return {
        path: `/v2/${repo}/blobs/${one}`,
        headers: { 'if-none-match': `"${one}"` },
        status: 304,
      };
    case 8:
      return { path: `/v1/blobs/${large}`, headers: range('999999999-'), status: 416 };
    case 9:
      return { path: '/livez', status: 200 };
    default:
      return { path: `/v${n % 2 === 0 ? '1' : `2/${repo}`}/blobs/${one}`, status: 200 };
  }
}

function range(text: string): Readonly<Record<string, string>> {
  return { range: `bytes=${text}` };
}

function ask(url: string, asked: Asked, agent: Agent): Promise<void> {
  const { path, method = 'GET', headers = {}, status, leaves = false } = asked;
  return new Promise((resolve, reject) => {
    const req = request(url + path, { method, headers, agent }, (res) => {
      if (res.statusCode !== status) {
        reject(new Error(`${method} ${path} was answered with ${String(res.statusCode)}`));
      }
      res.once('close', resolve);
      if (leaves) res.once('data', () => res.destroy());
      else res.resume();
    });
    // A connection that is left in the middle of an answer ends with an error.
    req.once('error', (error) => {
      if (leaves) resolve();
      else reject(error);
    });
    req.end();
  });
}
