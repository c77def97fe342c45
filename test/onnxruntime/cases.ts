/** What is judged, on which cases. */
import type { RecurrentOptions } from '../../lib/nn/recurrent';
import type { RecurrentLayer } from '../support/bareRecurrent';
import { onnxGates, type CellParameters, type FloatArray, type OnnxCell } from '../support/onnxRecurrent';
import { Random } from '../support/random';
import type { OnnxAttribute } from './onnxModel';

/** A function by ONNX's name, with its parameters where it has any. */
export interface OnnxActivation {
  readonly name: string;
  readonly alpha?: number;
  readonly beta?: number;
}

/** A layer and what ONNX calls it. */
export interface Contestant {
  readonly cell: OnnxCell;
  layer(hiddenSize: number, options: RecurrentOptions): RecurrentLayer;
  readonly attributes?: Readonly<Record<string, OnnxAttribute>>;
  /** Of one direction. */
  readonly activations?: readonly OnnxActivation[];
  readonly peepholes?: boolean;
  /** What ONNX is given in place of the layer's parameters, where it lacks an option that parameters can stand for. */
  standIn?(parameters: CellParameters): CellParameters;
}

const directions = ['forward', 'reverse', 'bidirectional'] as const;
const sizes = [1, 3, 8, 17];
const longest = 7;

export interface Case {
  readonly T: number;
  readonly B: number;
  readonly I: number;
  readonly H: number;
  readonly direction: (typeof directions)[number];
  /** [B,T,I]. */
  readonly x: FloatArray;
  /** One for each direction; null: zeros, and nothing is given. */
  readonly h0: readonly FloatArray[] | null;
  readonly c0: readonly FloatArray[] | null;
  readonly lengths: readonly number[] | null;
  readonly parameters: readonly CellParameters[];
}

/** A case that depends on the seed alone. Weights are twice as large as at the start of a training: gates leave the linear part of their functions. */
export function drawCase({ cell, peepholes = false }: Contestant, seed: number): Case {
  const random = new Random(seed);
  const below = (count: number) => Math.floor(count * random.next());
  const size = () => sizes[below(sizes.length)]!;
  const [T, B, I, H] = [1 + below(longest), 1 + below(longest), size(), size()];
  const direction = directions[seed % directions.length]!;
  const often = (share: number) => random.next() < share;
  const draw = (scale: number, ...shape: number[]): FloatArray => ({
    shape,
    data: Float32Array.from(random.uniform(-scale, scale, ...shape).data),
  });
  const ofDirections = <R>(make: () => R) => Array.from({ length: direction === 'bidirectional' ? 2 : 1 }, make);
  const bias = often(0.75);
  const rows = onnxGates[cell].length * H;
  const stateful = often(0.75);
  return {
    T,
    B,
    I,
    H,
    direction,
    x: draw(2, B, T, I),
    h0: stateful ? ofDirections(() => draw(1, B, H)) : null,
    c0: stateful && cell === 'LSTM' ? ofDirections(() => draw(2, B, H)) : null,
    lengths: often(0.6) ? Array.from({ length: B }, () => below(T + 1)) : null,
    parameters: ofDirections(() => ({
      weight_ih: draw(2 / Math.sqrt(I), rows, I),
      weight_hh: draw(2 / Math.sqrt(H), rows, H),
      ...(bias && { bias_ih: draw(1, rows), bias_hh: draw(1, rows) }),
      ...(peepholes && { weight_peephole: draw(1, 3 * H) }),
    })),
  };
}

export const nameOf = ({ T, B, I, H, direction, h0, lengths, parameters }: Case): string => {
  const options = [
    h0 && 'initial states',
    lengths && `lengths ${lengths.join(' ')}`,
    !parameters[0]?.bias_ih && 'no bias',
  ];
  return [`T ${T}, B ${B}, I ${I}, H ${H}, ${direction}`, ...options.filter(Boolean)].join(', ');
};

/** Results by name, each for one direction: `output [B,T,H]`, `h_n [B,H]`, `c_n [B,H]`. */
export type Results = Readonly<Record<string, { readonly shape: readonly number[]; readonly data: ArrayLike<number> }>>;
