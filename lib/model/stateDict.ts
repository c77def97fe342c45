import { isFiniteFloat32 } from '../arrays';
import { CheckpointError, OptionError } from '../errors';
import type { ArrayView } from '../backend/backend';
import type { Network } from '../nn/network';
import { elementCount, formatShape } from '../ops/shape';
import { describe } from '../options';

export type StateDict = Readonly<Record<string, ArrayView>>;

/** Writes every parameter from `tensors`; refuses, with nothing written, what is missing, left over or misshapen. */
export function loadState(network: Network, tensors: ReadonlyMap<string, ArrayView>, prefix: string): void {
  network.requireBound();
  const named = new Map(
    [...tensors].flatMap(([name, tensor]) => (name.startsWith(prefix) ? [[name.slice(prefix.length), tensor]] : [])),
  );
  checkState(network.parameters, named, prefix);
  for (const [path, { data }] of named) network.writeParameter(path, data);
}

/** Throws, naming all that is wrong, unless each parameter has its tensor and no tensor is left over. */
export function checkState(
  parameters: ReadonlyMap<string, { readonly shape: readonly number[] }>,
  tensors: ReadonlyMap<string, ArrayView>,
  prefix = '',
): void {
  const problems = [...parameters].flatMap(([path, { shape }]) => {
    const problem = misfit(shape, tensors.get(path));
    return problem ? [`${prefix}${path}: ${problem}`] : [];
  });
  for (const path of tensors.keys())
    if (!parameters.has(path)) problems.push(`${prefix}${path}: the network has no such parameter`);
  if (problems.length) throw new CheckpointError(`the state does not fit the network:\n  ${problems.join('\n  ')}`);
}

function misfit(shape: readonly number[], tensor: ArrayView | undefined): string | null {
  if (!tensor) return `expected ${formatShape(shape)}, received none`;
  if (!ArrayBuffer.isView(tensor.data) || !Array.isArray(tensor.shape)) return 'expected { data, shape }';
  if (formatShape(tensor.shape) !== formatShape(shape))
    return `expected ${formatShape(shape)}, received ${formatShape(tensor.shape)}`;
  if (tensor.data.length !== elementCount(shape))
    return `expected ${elementCount(shape)} elements, received ${tensor.data.length}`;
  return tensor.data.every(isFiniteFloat32) ? null : 'expected finite numbers';
}

/** So many names are told. */
const mostTold = 12;

/**
 * The paths that are `prefix` or below it; '' is above all.
 *
 * @throws OptionError naming those that there are.
 */
export function parametersBelow(owner: string, network: Network, prefix: string): string[] {
  const all = [...network.parameters.keys()];
  const paths = all.filter((path) => prefix === '' || path === prefix || path.startsWith(`${prefix}.`));
  if (paths.length > 0) return paths;
  const names = [...all.slice(0, mostTold), ...(all.length > mostTold ? [`${all.length - mostTold} more`] : [])];
  throw new OptionError(
    `${owner}: no parameter is named ${describe(prefix)} or stands below it; there are ${names.join(', ')}`,
  );
}
