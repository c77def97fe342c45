import { OptionError, ShapeError } from '../errors';
import { add } from '../ops/functions';
import { isVariable, type Variable } from '../ops/op';
import { maskSteps } from '../ops/pooling/maskSteps';
import { formatShape, sameShape } from '../ops/shape';
import { expectVariable } from '../ops/variable';
import { describe } from '../options';
import { isLayer, Layer, type LayerConfig } from './layer';
import { lengthsOf, type LengthOptions } from './lengths';
import { withOutput } from './records';

type Result = Variable | { readonly output: Variable };

/** What a layer of a type takes and gives. */
type CallOf<L> = L extends (...args: infer Args) => infer R ? (...args: Args) => R : unknown;

/**
 * y = x + layer(x): the layer learns what to change. The layer's output must have its input's shape.
 *
 * The layer is called with the same options, and what it returns beside its output, such as states, is handed on. With
 * lengths, an input [T, B, ...] gives 0 past them. Parameters are the layer's, under `layer.`.
 * Source: He et al. 2016; Wu et al. 2016 (GNMT) for recurrent stacks. Within one stack the option `residual` does the same.
 */
export class Residual extends Layer {
  constructor(readonly layer: Layer) {
    super();
    if (!isLayer(layer)) throw new OptionError(`residual: layer: expected a layer, received ${describe(layer)}`);
  }

  override describe(paths?: ReadonlyMap<object, string>): LayerConfig {
    return { kind: 'residual', layer: this.layer.describe(paths) };
  }

  override forward(x: Variable, options: LengthOptions = {}): Result {
    expectVariable('residual: input', x);
    const lengths = lengthsOf('residual', options);
    const result = (this.layer as unknown as (x: Variable, options: object) => Result)(x, options);
    const changed = isVariable(result) ? result : result.output;
    expectVariable("residual: the layer's output", changed);
    if (!sameShape(changed.type.shape, x.type.shape)) {
      const [expected, received] = [x, changed].map(({ type }) => formatShape(type.shape));
      throw new ShapeError(`residual: the layer's output: expected ${expected}, as its input, received ${received}`);
    }
    const sum = add(x, changed);
    const hasSteps = x.type.shape.length > 2;
    const output = lengths && hasSteps ? x.builder.emit(maskSteps, { x: sum, lengths }, {}).y : sum;
    return isVariable(result) ? output : withOutput(result, output);
  }
}

/** A `Residual` around a layer, called as the layer is: `residual(lstm(64))`. */
export const residual = <L extends Layer>(layer: L): Residual & CallOf<L> =>
  new Residual(layer) as unknown as Residual & CallOf<L>;
