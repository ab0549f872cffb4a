import { findTool, needTool } from '../../tools.ts';
import { distributionPeer } from './distribution.ts';
import { nginxPeer } from './nginx.ts';
import type { Peer } from './peer.ts';
import { rivuletPeer } from './rivulet.ts';
import { zotPeer } from './zot.ts';

/** Ours, nginx (throws if it is not installed), and the registries that are installed. */
export async function findPeers(): Promise<Peer[]> {
  const peers = [
    rivuletPeer(),
    nginxPeer(await needTool('nginx', ['-v'], 'apt-get install nginx-light')),
  ];
  const distribution = await findTool('registry', ['--version']);
  if (distribution !== undefined) peers.push(distributionPeer(distribution));
  const zot = await findTool('zot', ['--version']);
  if (zot !== undefined) peers.push(zotPeer(zot));
  return peers;
}
