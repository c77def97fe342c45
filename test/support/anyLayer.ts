/** Recurrent layers with whatever options compose, drawn at random: what holds of one must hold of all. */
import fc from 'fast-check';
import {
  attentionLstm,
  embedding,
  gru,
  layerNorm,
  linear,
  lstm,
  Module,
  rnn,
  slstm,
  type AttentionLstm,
  type AttentionLstmOptions,
  type Batch,
  type GruOptions,
  type Inputs,
  type LstmOptions,
  type ModuleOptions,
  type RnnOptions,
  type SlstmOptions,
  type Variable,
} from '../../lib';
import { ints, noise } from './models';
import { Random } from './random';

/** A layer between an embedding, or nothing, and a head. */
export type AnyLayer = { readonly hiddenSize: number; readonly around: Around } & (
  | { readonly cell: 'lstm'; readonly options: LstmOptions }
  | { readonly cell: 'attentionLstm'; readonly options: AttentionLstmOptions }
  | { readonly cell: 'gru'; readonly options: GruOptions }
  | { readonly cell: 'rnn'; readonly options: RnnOptions }
  | { readonly cell: 'slstm'; readonly options: SlstmOptions }
);

export interface Around {
  /** Tokens instead of features; each row of their embedding is dropped with this probability. */
  readonly embeddingDropout?: number;
  readonly layerNorm?: boolean;
}

export const sizes = { I: 3, D: 4, V: 7, outputs: 2 } as const;

/** Some of the options, each of them or not. */
const some = <T>(options: { [K in keyof T]: fc.Arbitrary<T[K]> }) => fc.record(options, { requiredKeys: [] });
const maybe = fc.boolean();
const share = fc.constantFrom(0.2, 0.4);
const clip = fc.constantFrom(0.3, 0.8);

const stackOptions = {
  numLayers: fc.integer({ min: 1, max: 3 }),
  bidirectional: maybe,
  dropout: share,
  inputDropout: share,
  weightDrop: share,
  bias: maybe,
  learnInitialState: maybe,
  output: fc.constantFrom('sequence', 'last', 'mean', 'max'),
  residual: maybe,
  recurrentDropout: share,
} as const;
const hiddenOptions = { ...stackOptions, zoneout: share, gateClip: clip } as const;
const cellZoneout = fc.oneof(share, some({ hidden: share, cell: share }));
const gateActivation = fc.constantFrom('sigmoid', 'hardSigmoid', 'tanh', 'relu');
const cellActivation = fc.constantFrom('sigmoid', 'hardSigmoid', 'tanh', 'relu', 'identity');
const lstmOptions = {
  ...{ ...stackOptions, zoneout: cellZoneout, peepholes: maybe, coupledGates: maybe, layerNorm: maybe },
  ...{ inputGate: maybe, forgetGate: maybe, outputGate: maybe, fullGateRecurrence: maybe },
  ...{ gateActivation, cellActivation, outputActivation: cellActivation, cellClip: clip, gateClip: clip },
  ...{ forgetBias: fc.constantFrom(0, 1), projSize: fc.integer({ min: 1, max: 4 }) },
} as const;

/** Nothing that is refused: what the layers refuse has tests of its own. */
function composed<O extends LstmOptions>(hiddenSize: number, given: O): O {
  const options: { -readonly [K in keyof LstmOptions]: LstmOptions[K] } = { ...given };
  if ((options.numLayers ?? 1) === 1) delete options.residual;
  if (options.coupledGates) options.inputGate = options.forgetGate = true;
  if (options.inputGate === false && options.forgetGate === false && options.outputGate === false)
    delete options.fullGateRecurrence;
  if (options.coupledGates || options.forgetGate === false || options.bias === false) delete options.forgetBias;
  if (options.projSize !== undefined && options.projSize >= hiddenSize) delete options.projSize;
  return options as O;
}

const divisors = (size: number) => Array.from({ length: size }, (_, k) => k + 1).filter((k) => size % k === 0);
const around = some<Around>({ embeddingDropout: fc.constantFrom(0, 0.3), layerNorm: maybe });

/** What of a stack may be drawn for any cell. */
const forSize = (hiddenSize: number): fc.Arbitrary<AnyLayer> => {
  const layer = <C extends AnyLayer['cell']>(cell: C, options: fc.Arbitrary<object>) =>
    fc
      .record({ options, around })
      .map((drawn) => ({ cell, hiddenSize, around: drawn.around, options: composed(hiddenSize, drawn.options) }));
  return fc.oneof(
    layer('lstm', some(lstmOptions)),
    layer(
      'lstm',
      some({ ...stackOptions, zoneout: cellZoneout, variant: fc.constantFrom('NIG', 'CIFG', 'NP', 'FGR') }),
    ),
    layer(
      'attentionLstm',
      fc.oneof(
        some({ ...lstmOptions, attentionSize: fc.constantFrom(1, 5, 9) }).map((drawn) => ({
          ...drawn,
          score: 'additive',
        })),
        some({ ...lstmOptions, score: fc.constant('multiplicative') }),
      ),
    ),
    layer('gru', some({ ...hiddenOptions, resetAfter: maybe })),
    layer('rnn', some({ ...hiddenOptions, nonlinearity: fc.constantFrom('tanh', 'relu') })),
    layer(
      'slstm',
      some({
        ...{ ...stackOptions, zoneout: cellZoneout, forgetGate: fc.constantFrom('sigmoid', 'exp') },
        numHeads: fc.constantFrom(...divisors(hiddenSize)),
      }),
    ),
  );
};

/** A layer of one of these hidden sizes. */
export const anyLayer = (...hiddenSizes: number[]): fc.Arbitrary<AnyLayer> =>
  fc.constantFrom(...hiddenSizes).chain(forSize);

type Names = 'x' | 'memory' | 'lengths' | 'memoryLengths';

/** The layer, with what is around it, and two numbers of what it gives. */
export class AnyModel extends Module {
  override readonly inputShapes: Module['inputShapes'];
  readonly embed;
  readonly layer;
  readonly norm;
  readonly head = linear(sizes.outputs);

  constructor(
    private readonly drawn: AnyLayer,
    options: ModuleOptions = {},
  ) {
    super(options);
    const { hiddenSize, around } = drawn;
    this.inputShapes = drawn.cell === 'attentionLstm' ? { memory: ['B', 'S', sizes.D] } : {};
    this.embed =
      around.embeddingDropout === undefined ? null : embedding(sizes.V, sizes.I, { dropout: around.embeddingDropout });
    this.norm = around.layerNorm ? layerNorm() : null;
    const make = { lstm, attentionLstm, gru, rnn, slstm }[drawn.cell] as typeof lstm;
    this.layer = make(hiddenSize, drawn.options as LstmOptions) as unknown as AttentionLstm;
  }

  override forward(inputs: Inputs<Names>): Variable {
    const { x, lengths } = inputs;
    const features = this.embed ? this.embed(x) : x;
    const call =
      this.drawn.cell === 'attentionLstm'
        ? { memory: inputs.memory, memoryLengths: inputs.memoryLengths }
        : ({} as { memory: Variable });
    const { output } = this.layer(features, { lengths, ...call });
    return this.head(this.norm ? this.norm(output, { lengths }) : output);
  }
}

/** Of B rows with T steps and S slots; with lengths from 0 to all. */
export interface AnyBatch {
  readonly B: number;
  readonly T: number;
  readonly S: number;
  readonly ragged: boolean;
}

export const anyBatch = (...batchSizes: number[]): fc.Arbitrary<AnyBatch> =>
  fc.record({
    B: fc.constantFrom(...batchSizes),
    T: fc.integer({ min: 1, max: 5 }),
    S: fc.constantFrom(1, 4, 9),
    ragged: fc.boolean(),
  });

export function batchFor({ cell, options, around }: AnyLayer, { B, T, S, ragged }: AnyBatch): Batch {
  const random = new Random(B + 10 * T + 100 * S);
  const counts = (most: number, step: number) =>
    ints(Array.from({ length: B }, (_, b) => (b * step + most) % (most + 1)));
  const { output = 'sequence' } = options;
  return {
    inputs: {
      x: around.embeddingDropout === undefined ? noise(1, B, T, sizes.I) : random.integers(sizes.V, B, T),
      ...(cell === 'attentionLstm' && { memory: noise(2, B, S, sizes.D), memoryLengths: counts(S, 3) }),
    },
    targets: noise(3, B, ...(output === 'sequence' ? [T] : []), sizes.outputs),
    ...(ragged && { lengths: counts(T, 5) }),
  };
}
