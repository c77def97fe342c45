import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The format is described in test/goldens/README.md. */
export interface GoldenTensor {
  readonly shape: number[];
  readonly data: number[];
}
export type Tensors = Readonly<Record<string, GoldenTensor>>;

interface Sizes {
  readonly sequenceLength: number;
  readonly batchSize: number;
  readonly hiddenSize: number;
  readonly numLayers: number;
  readonly bidirectional: boolean;
}

export interface GradientCase {
  readonly case: string;
  readonly kind: 'gradient';
  readonly config: Sizes & {
    readonly inputSize: number;
    readonly lengths: number[] | null;
    readonly projSize?: number;
  };
  readonly parameters: Tensors;
  readonly inputs: Tensors;
  readonly cotangents: Tensors;
  readonly outputs: Tensors;
  readonly gradients: Readonly<Record<string, Tensors>>;
}

/** One forward and backward pass of `nn.GRU` or `nn.RNN`. */
export interface CellCase {
  readonly case: string;
  readonly kind: 'cell';
  readonly config: GradientCase['config'] & { readonly cell: 'gru' | 'rnn-tanh' | 'rnn-relu' };
  readonly parameters: Tensors;
  readonly inputs: Tensors;
  readonly cotangents: Tensors;
  readonly outputs: Tensors;
  readonly gradients: Tensors;
}

/** One forward and backward pass of a layer beside the cells. */
interface LayerCase {
  readonly case: string;
  readonly parameters: Tensors;
  readonly inputs: Tensors;
  readonly cotangents: Tensors;
  readonly outputs: Tensors;
  readonly gradients: Tensors;
}

/** `nn.LayerNorm` over the last axis. */
export interface LayerNormCase extends LayerCase {
  readonly kind: 'layer-norm';
  readonly config: { readonly eps: number; readonly elementwiseAffine: boolean };
}

/** Mean, max and attention pooling of padded sequences. */
export interface PoolingCase extends LayerCase {
  readonly kind: 'pooling';
  readonly config: { readonly lengths: number[]; readonly attentionSize: number };
}

/** One loss of what a network gave: the number and its gradient. */
export interface LossCase {
  readonly case: string;
  readonly kind: 'loss';
  readonly config: { readonly loss: string; readonly options: object };
  readonly inputs: Tensors;
  readonly loss: number;
  readonly gradient: GoldenTensor;
}

export interface TrajectoryCase {
  readonly case: string;
  readonly kind: 'trajectory';
  readonly dtype: 'float32' | 'float64';
  readonly config: Sizes & {
    readonly optimizer: {
      readonly name: 'sgd' | 'adagrad' | 'rmsprop' | 'adam' | 'adamw';
      readonly lr?: number;
      /** Parts of names; where there is a factor, `lr` is the rate that it comes to. */
      readonly groups?: readonly { readonly match: string; readonly lr?: number; readonly lrFactor?: number }[];
      /** The optimizer's own, under the names that they have here. */
      readonly [option: string]: unknown;
    };
    readonly schedule?: { readonly name: 'cosine' | 'oneCycle'; readonly options: { readonly totalSteps: number } };
    readonly clipValue?: number;
    readonly clipNorm?: number;
    readonly carryState: boolean;
    readonly loss: 'meanSquaredError' | 'crossEntropy';
    readonly outputSize?: number;
    readonly vocabularySize?: number;
    readonly embeddingSize?: number;
    readonly ignoreIndex?: number;
  };
  readonly parameters: Tensors;
  readonly batches: Tensors[];
  readonly losses: number[];
  readonly gradientNorms: number[];
  readonly finalParameters: Tensors;
}

/** The rates of a scheduler, step by step; with figures, it is told of one after each step. */
export interface ScheduleCase {
  readonly case: string;
  readonly kind: 'schedule';
  readonly config: {
    readonly schedule: string;
    readonly lr: number;
    readonly options: Readonly<Record<string, unknown>>;
  };
  readonly figures?: readonly number[];
  readonly rates: readonly number[];
}

interface Cases {
  readonly gradient: GradientCase;
  readonly cell: CellCase;
  readonly 'layer-norm': LayerNormCase;
  readonly pooling: PoolingCase;
  readonly loss: LossCase;
  readonly trajectory: TrajectoryCase;
  readonly schedule: ScheduleCase;
}

const folder = join(__dirname, '..', 'goldens');

/** All golden cases of a kind. */
export function goldens<K extends keyof Cases>(kind: K): Cases[K][] {
  return readdirSync(folder)
    .filter((name) => name.startsWith(`${kind}-`) && name.endsWith('.json'))
    .map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as never);
}

/** As the reference takes it: float64, nothing rounded. */
export const float64Tensor = ({ data, shape }: GoldenTensor) => ({ data: Float64Array.from(data), shape });
export const int32Tensor = ({ data, shape }: GoldenTensor) => ({ data: Int32Array.from(data), shape });

export const mapTensors = <T>(tensors: Tensors, convert: (tensor: GoldenTensor) => T): Record<string, T> =>
  Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [name, convert(tensor)]));
