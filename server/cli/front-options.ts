import type { Command } from 'commander';

/** What the commands that serve have in common: where, how and under which name. */
export interface FrontOptions {
  readonly tlsCert?: string | undefined;
  readonly tlsKey?: string | undefined;
  readonly tlsClientCa?: string | undefined;
}

/** Adds the options of whatever serves; {@link frontFlags} reads those that are settings by another name. */
export function addFrontOptions(command: Command): Command {
  return command
    .option(
      '--listen <host:port>',
      'where to answer; port 0 takes a free one (default 127.0.0.1:8480); beyond loopback the --config file has to set access rules',
    )
    .option('--public-url <url>', 'the base URL that clients reach it by (default: as they ask)')
    .option(
      '--tls-cert <file>',
      'answer over TLS: the certificate, PEM; read again when it changes',
    )
    .option('--tls-key <file>', 'its key, PEM')
    .option('--tls-client-ca <file>', 'ask clients for certificates of these authorities, PEM')
    .option('--log-level <level>', 'trace, debug, info, warn, error or silent')
    .option('--config <file>', 'YAML or JSON settings; flags and RIVULET_* go before it');
}

/** The options as settings, by the keys of the configuration file. */
export function frontFlags({
  tlsCert,
  tlsKey,
  tlsClientCa,
  ...rest
}: FrontOptions): Readonly<Record<string, unknown>> {
  if (tlsCert === undefined && tlsKey === undefined && tlsClientCa === undefined) return rest;
  return { ...rest, tls: { cert: tlsCert, key: tlsKey, clientCa: tlsClientCa } };
}
