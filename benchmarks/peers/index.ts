/** The peers by name. None is needed to install, test or measure this library alone. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { spawnSync } from 'node:child_process';
import { Peer, PeerError, type PeerKind } from './peer';

const node = (script: string): PeerKind['command'] => [process.execPath, '--import', 'tsx', join(__dirname, script)];

/** The first of these that has PyTorch: a newer one may have been installed beside the system's own. */
function pythonWithTorch(): string {
  const candidates = [process.env.PYTHON ?? 'python3', '/usr/bin/python3'];
  const hasTorch = (python: string) => spawnSync(python, ['-c', 'import torch']).status === 0;
  return candidates.find(hasTorch) ?? candidates[0]!;
}

const onednnDriver = join(__dirname, '..', '..', 'build-benchmarks', 'onednn_peer');
const modules = 'npm ci --prefix benchmarks';

const kinds: Readonly<Record<string, () => PeerKind>> = {
  onednn: () => ({
    command: [onednnDriver],
    install: 'apt-get install cmake libdnnl-dev && npm run build:benchmarks',
  }),
  onnxruntime: () => ({ command: node('onnxruntime.ts'), install: modules }),
  pytorch: () => ({
    command: [pythonWithTorch(), join(__dirname, 'pytorch.py')],
    install: 'pip install torch, or apt-get install python3-torch; PYTHON names another interpreter',
  }),
  tfjs: () => ({ command: node('tfjs.mjs'), install: modules }),
};

export const peerNames = Object.keys(kinds);

export async function startPeers(names: readonly string[], threads: number): Promise<Peer[]> {
  // Some engines take the number of their threads at their start only.
  process.env.LSTM_NATIVE_PEER_THREADS = String(threads);
  const peers: Peer[] = [];
  try {
    for (const name of names) {
      const kind = kinds[name]!();
      if (name === 'onednn' && !existsSync(onednnDriver))
        throw new PeerError(`onednn: its driver is not built\n  ${kind.install}`);
      peers.push(await Peer.start(name, kind));
    }
    return peers;
  } catch (error) {
    for (const peer of peers) peer.close();
    throw error;
  }
}
