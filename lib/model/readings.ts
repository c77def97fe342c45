import { DataError } from '../errors';
import { isLayer, layerPaths, type Layer } from '../nn/layer';
import { formatShape, sameShape, type Shape } from '../ops/shape';

/**
 * How the layers below `root` read arrays of a batch; names in `settled` are passed over.
 *
 * @throws DataError where two of them read the same array differently.
 */
export function readingsBelow(root: Layer, settled: readonly string[]): Record<string, Shape> {
  const found = new Map<string, { readonly shape: Shape; readonly path: string }>();
  for (const [layer, path] of layerPaths(root)) {
    if (layer === root || !isLayer(layer)) continue;
    for (const [name, shape] of Object.entries(layer.readings())) {
      const known = found.get(name);
      found.set(name, known ?? { shape, path });
      if (!known || settled.includes(name) || sameShape(known.shape, shape)) continue;
      throw new DataError(
        `${name}: ${known.path} reads it as ${formatShape(known.shape)}, ${path} as ${formatShape(shape)}; ` +
          'say in inputShapes of the module how it is to be read',
      );
    }
  }
  return Object.fromEntries([...found].flatMap(([name, { shape }]) => (settled.includes(name) ? [] : [[name, shape]])));
}
