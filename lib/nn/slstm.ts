import { isFiniteFloat32 } from '../arrays';
import { OptionError } from '../errors';
import type { Variable } from '../ops/op';
import { slstm as slstmOp, slstmGates } from '../ops/recurrent/slstm';
import { describe, positiveInteger } from '../options';
import { withForgetBias } from './initializer';
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
import {
  cellRegularizers,
  cellRegularizersOf,
  regularizerOptionNames,
  type CellRegularizerOptions,
} from './regularizers';

type StateNames = 'hiddenState' | 'cellState' | 'normalizerState' | 'stabilizerState';

export interface SlstmOptions extends RecurrentOptions, CellRegularizerOptions {
  /** Heads: groups of hiddenSize / numHeads units whose gates see the hidden states of their own group alone. Default 1. */
  readonly numHeads?: number;
  /** What the forget gate is before it is stabilized: σ(f̃) or e^f̃. Default 'sigmoid'. */
  readonly forgetGate?: 'sigmoid' | 'exp';
  /** What the forget gate's two biases add up to at first, in place of random numbers. */
  readonly forgetBias?: number;
}
/** h, c, n and m of every layer and direction: [numLayers·D, B, H], index layer·D + direction. n = 0 says that nothing has been seen. */
export type SlstmState = RecurrentState<StateNames>;
export type SlstmCallOptions = RecurrentCallOptions<SlstmState>;
/** `gates` [T, B, 4H]: i, f, tanh(z̃), σ(õ), side by side; `cells` c, `normalizers` n and `stabilizers` m, [T, B, H]. */
export type SlstmRecord = LayerRecord & Readonly<Record<'gates' | 'cells' | 'normalizers' | 'stabilizers', Variable>>;
export type SlstmOutput = RecurrentOutput<SlstmState, SlstmRecord>;

export interface Slstm {
  (input: Variable, options?: SlstmCallOptions): SlstmOutput;
}

/**
 * The sLSTM of the xLSTM paper: an LSTM with an exponential input gate, a normalizer and heads.
 *
 *     ĩ, f̃, z̃, õ = W_ih x_t + b_ih + W_hh h_{t-1} + b_hh
 *     m_t = max(ĩ, log σ(f̃) + m_{t-1})      i = e^(ĩ - m_t)      f = e^(log σ(f̃) + m_{t-1} - m_t)
 *     c_t = f ⊙ c_{t-1} + i ⊙ tanh(z̃)       n_t = f ⊙ n_{t-1} + i      h_t = σ(õ) ⊙ c_t / n_t
 *
 * or, with `forgetGate: 'exp'`, f̃ in the place of log σ(f̃). m keeps the exponentials within bounds, and h does not depend
 * on it. Where n_{t-1} = 0 nothing has been seen, and m_t = ĩ.
 *
 * Zoneout of h makes h_t = k ⊙ h_{t-1} + (1 - k) ⊙ h_t. That of the cell keeps c, n and m together, because c / n is one
 * average, and m the scale of both: c of one step with n or m of another would be the average of nothing. With a share k
 * the gates, before they are stabilized, are k + (1 - k) σ(f̃) and (1 - k) e^ĩ, which for k = 1 leaves all three as they
 * were; a unit kept since the beginning gives 0. Recurrent dropout puts mask ⊙ h_{t-1} in the place of h_{t-1}.
 *
 * Input [T, B, I]; T steps, B sequences, I input size, H hidden size, D directions. Parameters, for layer k and each
 * direction, rows in the gate order i, f, z, o: `weight_ih_l{k} [4H, I]`, `weight_hh_l{k} [4H, H / numHeads]`, where the
 * rows of a unit multiply the hidden units of its head, `bias_ih_l{k} [4H]`, `bias_hh_l{k} [4H]`, with `_reverse`
 * appended for the backward direction; all drawn from U(±1/√H).
 * Source: Beck et al. 2024, "xLSTM: Extended Long Short-Term Memory", section 2.2 and appendix A.2.
 */
export class Slstm extends Recurrent<StateNames> {
  private readonly regularizers: ReturnType<typeof cellRegularizersOf>;

  constructor(
    hiddenSize: number,
    override readonly options: SlstmOptions = {},
  ) {
    super(
      {
        kind: 'slstm',
        states: ['hiddenState', 'cellState', 'normalizerState', 'stabilizerState'],
        // The normalizer counts what was seen, which is nothing at first; where it is 0, c and m have no part in a step.
        fixedStates: ['cellState', 'normalizerState', 'stabilizerState'],
        gateCount: 4,
        options: ['numHeads', 'forgetGate', 'forgetBias', ...regularizerOptionNames],
        // Both are called when the options have been checked.
        recurrentSize: () => hiddenSize / (options.numHeads ?? 1),
        biasInitializer: (name, others) =>
          withForgetBias(options.forgetBias, name, others, slstmGates.forget, hiddenSize),
      },
      hiddenSize,
      options,
    );
    checkSlstmOptions(hiddenSize, options);
    this.regularizers = cellRegularizersOf('slstm', options);
  }

  protected override cell(call: CellCall<StateNames>): CellResult<StateNames> {
    const { x, initial, weights, lengths, reverse } = call;
    const regularizers = cellRegularizers(x, this.regularizers, { hiddenSize: this.hiddenSize });
    const { hiddenState: h0, cellState: c0, normalizerState: n0, stabilizerState: m0 } = initial;
    const { y, h_n, c_n, n_n, m_n, ...made } = x.builder.emit(
      slstmOp,
      { x, h0, c0, n0, m0, ...weights, ...regularizers, lengths },
      { reverse, exponential_forget: this.options.forgetGate === 'exp' },
    );
    const { gates, cells, normalizers, stabilizers } = made;
    const record = { gates, cells, normalizers, stabilizers };
    return { y, hiddenState: h_n, cellState: c_n, normalizerState: n_n, stabilizerState: m_n, record };
  }
}

function checkSlstmOptions(hiddenSize: number, options: SlstmOptions): void {
  const { numHeads = 1, forgetGate = 'sigmoid', forgetBias = 0, bias = true } = options;
  positiveInteger('slstm', 'numHeads', numHeads);
  if (hiddenSize % numHeads !== 0) {
    throw new OptionError(`slstm: numHeads: expected a divisor of hiddenSize ${hiddenSize}, received ${numHeads}`);
  }
  if (forgetGate !== 'sigmoid' && forgetGate !== 'exp') {
    throw new OptionError(`slstm: forgetGate: expected 'sigmoid' or 'exp', received ${describe(forgetGate)}`);
  }
  if (typeof forgetBias !== 'number' || !isFiniteFloat32(forgetBias)) {
    throw new OptionError(`slstm: forgetBias: expected a number, received ${describe(forgetBias)}`);
  }
  if (!bias && options.forgetBias !== undefined) throw new OptionError('slstm: forgetBias: there are no biases');
}

/** An `Slstm` layer: `slstm(256, { numHeads: 4 })`. */
export const slstm = (hiddenSize: number, options?: SlstmOptions): Slstm => new Slstm(hiddenSize, options);
