import { OptionError } from '../errors';
import { concat } from '../ops/layout/concat';
import { reshape } from '../ops/layout/reshape';
import { slice } from '../ops/layout/slice';
import { expectRank, expectShape, type Variable } from '../ops/op';
import { lstm as lstmOp } from '../ops/recurrent/lstm';
import { expectVariable } from '../ops/variable';
import { checkOptions, positiveInteger, probability } from '../options';
import { applyDropout } from './dropout';
import { uniform } from './initializer';
import { Layer, type LayerConfig } from './layer';
import { lastSize } from './size';
import { activeTrace } from './trace';

export interface LstmOptions {
  /** Inferred from the first input when left out. */
  readonly inputSize?: number;
  /** Layers stacked, each on the output of the one below. Default 1. */
  readonly numLayers?: number;
  /** Adds a second LSTM per layer that walks each sequence from its end; outputs are side by side. Default false. */
  readonly bidirectional?: boolean;
  /** Probability of dropping, in training, each element that one layer hands to the next; it does nothing where there is one. Default 0. */
  readonly dropout?: number;
  /** Default true. */
  readonly bias?: boolean;
  /** What a stack such as `sequential` hands on: the whole sequence [T, B, D·H] or the state after the last step [B, D·H]. Default 'sequence'. */
  readonly output?: 'sequence' | 'last';
}

export interface LstmState {
  /** h and c of every layer and direction: [numLayers·D, B, H], index layer·D + direction. */
  readonly hiddenState: Variable;
  readonly cellState: Variable;
}

export interface LstmCallOptions {
  /** int32 [B]: steps of each sequence; nothing past a length has any part, and outputs there are 0. */
  readonly lengths?: Variable | null;
  /** Zeros when left out (or the carried state, where the program carries one). */
  readonly initialState?: LstmState;
}

const callOptions: readonly (keyof LstmCallOptions)[] = ['lengths', 'initialState'];

export interface LstmOutput extends LstmState {
  /** As the option `output` says. */
  readonly output: Variable;
}

export interface Lstm {
  (input: Variable, options?: LstmCallOptions): LstmOutput;
}

/**
 * Long short-term memory:
 *
 *     i, f, o = σ(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh)        g = tanh(the same rows for g)
 *     c_t = f ⊙ c_{t-1} + i ⊙ g                                  h_t = o ⊙ tanh(c_t)
 *
 * Input [T, B, I]; T steps, B sequences, I input size, H hidden size, D directions.
 * Parameters, for layer k and each direction, rows in the gate order i, f, g, o: `weight_ih_l{k} [4H, I]`,
 * `weight_hh_l{k} [4H, H]`, `bias_ih_l{k} [4H]`, `bias_hh_l{k} [4H]`, with `_reverse` appended for the backward
 * direction; all drawn from U(±1/√H).
 * Sources: Hochreiter & Schmidhuber 1997; Gers et al. 2000 (forget gate); names and init as PyTorch `nn.LSTM`.
 */
export class Lstm extends Layer {
  constructor(
    readonly hiddenSize: number,
    readonly options: LstmOptions = {},
  ) {
    super();
    checkOptions('lstm', options, ['inputSize', 'numLayers', 'bidirectional', 'dropout', 'bias', 'output']);
    const { numLayers = 1, dropout = 0, output = 'sequence' } = options;
    positiveInteger('lstm', 'hiddenSize', hiddenSize);
    positiveInteger('lstm', 'numLayers', numLayers);
    probability('lstm', 'dropout', dropout);
    if (output !== 'sequence' && output !== 'last') {
      throw new OptionError(`lstm: output: expected 'sequence' or 'last', received ${String(output)}`);
    }
  }

  override describe(): LayerConfig {
    const { hiddenSize, options } = this;
    return { kind: 'lstm', hiddenSize, options };
  }

  override forward(input: Variable, options: LstmCallOptions = {}): LstmOutput {
    checkOptions('lstm', options, callOptions);
    const { lengths = null, initialState } = options;
    const { numLayers = 1, bidirectional = false, dropout = 0, output: wanted = 'sequence' } = this.options;
    lastSize('lstm', input, this.options.inputSize);
    expectRank('input', input.type, 3, '[T, B, I]');
    if (lengths) {
      expectVariable('lstm: lengths', lengths);
      expectShape('lengths', lengths.type, [input.type.shape[1]!]);
      input.builder.requireRange(lengths, { below: input.type.shape[0]!, inclusive: true });
    }
    const finals: { h: Variable; c: Variable }[] = [];
    let sequence = input;
    for (let layer = 0; layer < numLayers; layer++) {
      if (layer > 0) sequence = applyDropout(sequence, dropout);
      const directions = (bidirectional ? [false, true] : [false]).map((reverse) =>
        this.direction(sequence, layer, reverse, lengths, initialState),
      );
      sequence = join(
        directions.map(({ y }) => y),
        2,
      );
      finals.push(...directions.map(({ h, c }) => ({ h, c })));
    }
    const last = finals.slice(bidirectional ? -2 : -1).map(({ h }) => h);
    return {
      output: wanted === 'last' ? join(last, 1) : sequence,
      hiddenState: join(
        finals.map(({ h }) => withLeadingAxis(h)),
        0,
      ),
      cellState: join(
        finals.map(({ c }) => withLeadingAxis(c)),
        0,
      ),
    };
  }

  /** One layer in one direction. */
  private direction(x: Variable, layer: number, reverse: boolean, lengths: Variable | null, initialState?: LstmState) {
    const { bias = true } = this.options;
    const H = this.hiddenSize;
    const I = lastSize('lstm', x, undefined);
    const suffix = `l${layer}${reverse ? '_reverse' : ''}`;
    const initializer = uniform(1 / Math.sqrt(H));
    const weights = {
      weight_ih: this.parameter(`weight_ih_${suffix}`, [4 * H, I], initializer),
      weight_hh: this.parameter(`weight_hh_${suffix}`, [4 * H, H], initializer),
      bias_ih: bias ? this.parameter(`bias_ih_${suffix}`, [4 * H], initializer) : null,
      bias_hh: bias ? this.parameter(`bias_hh_${suffix}`, [4 * H], initializer) : null,
    };
    const index = layer * (this.options.bidirectional ? 2 : 1) + (reverse ? 1 : 0);
    const initial = this.initialState(x, index, suffix, initialState);
    const { y, h_n: h, c_n: c } = x.builder.emit(lstmOp, { x, ...initial, ...weights, lengths }, { reverse });
    if (!initialState) {
      this.carryState(`h_${suffix}`, h);
      this.carryState(`c_${suffix}`, c);
    }
    return { y, h, c };
  }

  private initialState(x: Variable, index: number, suffix: string, given: LstmState | undefined) {
    const B = x.type.shape[1]!;
    const H = this.hiddenSize;
    if (given) {
      expectVariable('lstm: initialState.hiddenState', given.hiddenState);
      expectVariable('lstm: initialState.cellState', given.cellState);
      const { numLayers = 1, bidirectional } = this.options;
      const states = numLayers * (bidirectional ? 2 : 1);
      expectShape('initialState.hiddenState', given.hiddenState.type, [states, B, H]);
      expectShape('initialState.cellState', given.cellState.type, [states, B, H]);
      return { h0: stateAt(given.hiddenState, index), c0: stateAt(given.cellState, index) };
    }
    if (this.options.bidirectional && activeTrace().carries) {
      throw new OptionError(
        'lstm: a bidirectional lstm reads each sequence to its end, so it cannot carry state or be stepped',
      );
    }
    return { h0: this.recurrentState(`h_${suffix}`, [B, H]), c0: this.recurrentState(`c_${suffix}`, [B, H]) };
  }
}

function join(parts: readonly Variable[], axis: number): Variable {
  const [first] = parts as [Variable];
  return parts.length === 1 ? first : first.builder.emit(concat, { x: parts }, { axis }).y;
}

function withLeadingAxis(state: Variable): Variable {
  return state.builder.emit(reshape, { x: state }, { shape: [1, ...state.type.shape] }).y;
}

function stateAt(states: Variable, index: number): Variable {
  const [count, ...shape] = states.type.shape;
  const { builder } = states;
  const state = count === 1 ? states : builder.emit(slice, { x: states }, { axis: 0, begin: index, end: index + 1 }).y;
  return builder.emit(reshape, { x: state }, { shape }).y;
}

/** An `Lstm` layer: `lstm(256, { numLayers: 2, dropout: 0.2 })`. */
export const lstm = (hiddenSize: number, options?: LstmOptions): Lstm => new Lstm(hiddenSize, options);
