import { CheckpointError } from '../errors';
import type { ArrayView } from '../backend/backend';
import type { Network } from '../nn/network';
import { formatShape } from '../ops/shape';

export type StateDict = Readonly<Record<string, ArrayView>>;

/** Writes every parameter from `tensors`; refuses, with nothing written, what is missing, left over or misshapen. */
export function loadState(network: Network, tensors: ReadonlyMap<string, ArrayView>, prefix: string): void {
  network.requireBound();
  const named = new Map(
    [...tensors]
      .filter(([name]) => name.startsWith(prefix))
      .map(([name, tensor]) => [name.slice(prefix.length), tensor]),
  );
  const problems: string[] = [];
  for (const { path, shape } of network.parameters.values()) {
    const tensor = named.get(path);
    if (!tensor) problems.push(`${prefix}${path}: expected ${formatShape(shape)}, received none`);
    else if (formatShape(tensor.shape) !== formatShape(shape)) {
      problems.push(`${prefix}${path}: expected ${formatShape(shape)}, received ${formatShape(tensor.shape)}`);
    } else if (!tensor.data.every((value) => Number.isFinite(value)))
      problems.push(`${prefix}${path}: expected finite numbers`);
  }
  for (const name of named.keys())
    if (!network.parameters.has(name)) problems.push(`${prefix}${name}: the network has no such parameter`);
  if (problems.length) throw new CheckpointError(`the state does not fit the network:\n  ${problems.join('\n  ')}`);
  for (const [path, { data }] of named) network.writeParameter(path, data);
}
