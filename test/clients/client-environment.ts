import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Nothing listens there: who tries to leave loopback is refused at once. */
const NO_NETWORK = 'http://127.0.0.1:1';

/**
 * Makes an environment in which a client finds no configuration, cache or credentials but those
 * under `home`, and reaches nothing but loopback (clients in Go honour the proxy variables).
 */
export async function makeHome(home: string): Promise<NodeJS.ProcessEnv> {
  const below = (name: string): string => join(home, name);
  await mkdir(below('docker'), { recursive: true });
  // buildah insists that the file exists once the variable is set.
  await writeFile(below('docker/config.json'), '{}');
  return {
    PATH: process.env['PATH'],
    LANG: 'C',
    HOME: home,
    TMPDIR: home,
    XDG_CONFIG_HOME: below('config'),
    XDG_CACHE_HOME: below('cache'),
    XDG_DATA_HOME: below('share'),
    XDG_RUNTIME_DIR: home,
    DOCKER_CONFIG: below('docker'),
    HELM_CONFIG_HOME: below('helm/config'),
    HELM_CACHE_HOME: below('helm/cache'),
    HELM_DATA_HOME: below('helm/data'),
    HELM_REGISTRY_CONFIG: below('helm/registry.json'),
    HTTP_PROXY: NO_NETWORK,
    HTTPS_PROXY: NO_NETWORK,
    NO_PROXY: '127.0.0.1',
  };
}
