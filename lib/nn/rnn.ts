import { OptionError } from '../errors';
import type { Variable } from '../ops/op';
import { rnn as rnnOp } from '../ops/recurrent/rnn';
import { describe } from '../options';
import { clipOf, type GateClipOptions } from './clip';
import type { LayerRecord } from './records';
import {
  Recurrent,
  type CellCall,
  type CellResult,
  type RecurrentCallOptions,
  type RecurrentOptions,
  type RecurrentOutput,
  type RecurrentState,
} from './recurrent';
import { checkRegularizers, hiddenRegularizers, regularizerOptionNames, type RegularizerOptions } from './regularizers';

export interface RnnOptions extends RecurrentOptions, RegularizerOptions, GateClipOptions {
  /** Default 'tanh'. */
  readonly nonlinearity?: 'tanh' | 'relu';
}
/** h of every layer and direction: [numLayers·D, B, H], index layer·D + direction. */
export type RnnState = RecurrentState<'hiddenState'>;
export type RnnCallOptions = RecurrentCallOptions<RnnState>;
/** `gates` [T, B, H]: what φ gives, which is `hidden` unless there is zoneout. */
export type RnnRecord = LayerRecord & Readonly<Record<'gates', Variable>>;
export type RnnOutput = RecurrentOutput<RnnState, RnnRecord>;

export interface Rnn {
  (input: Variable, options?: RnnCallOptions): RnnOutput;
}

/**
 * Plain recurrent network, without gates:
 *
 *     h_t = φ(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh)        φ = tanh, or max(0, ·)
 *
 * Recurrent dropout puts m ⊙ h_{t-1} in the place of h_{t-1}; zoneout makes h_t = k ⊙ h_{t-1} + (1 - k) ⊙ h_t.
 * `gateClip` bounds what enters φ.
 *
 * Input [T, B, I]; T steps, B sequences, I input size, H hidden size, D directions.
 * Parameters, for layer k and each direction: `weight_ih_l{k} [H, I]`, `weight_hh_l{k} [H, H]`, `bias_ih_l{k} [H]`,
 * `bias_hh_l{k} [H]`, with `_reverse` appended for the backward direction; all drawn from U(±1/√H).
 * Source: Elman 1990; names and init as PyTorch `nn.RNN`.
 */
export class Rnn extends Recurrent<'hiddenState'> {
  private readonly gateClip: number;

  constructor(
    hiddenSize: number,
    override readonly options: RnnOptions = {},
  ) {
    super(
      {
        kind: 'rnn',
        states: ['hiddenState'],
        gateCount: 1,
        options: ['nonlinearity', 'gateClip', ...regularizerOptionNames],
      },
      hiddenSize,
      options,
    );
    checkRegularizers('rnn', options);
    this.gateClip = clipOf('rnn', 'gateClip', options.gateClip);
    const { nonlinearity = 'tanh' } = options;
    if (nonlinearity !== 'tanh' && nonlinearity !== 'relu') {
      throw new OptionError(`rnn: nonlinearity: expected 'tanh' or 'relu', received ${describe(nonlinearity)}`);
    }
  }

  protected override cell(call: CellCall<'hiddenState'>): CellResult<'hiddenState'> {
    const { x, initial, weights, lengths, reverse } = call;
    const regularizers = hiddenRegularizers(x, this.options, this.hiddenSize);
    const attributes = { reverse, relu: this.options.nonlinearity === 'relu', gate_clip: this.gateClip };
    const { y, h_n, gates } = x.builder.emit(
      rnnOp,
      { x, h0: initial.hiddenState, ...weights, ...regularizers, lengths },
      attributes,
    );
    return { y, hiddenState: h_n, record: { gates } };
  }
}

/** An `Rnn` layer: `rnn(64, { nonlinearity: 'relu' })`. */
export const rnn = (hiddenSize: number, options?: RnnOptions): Rnn => new Rnn(hiddenSize, options);
