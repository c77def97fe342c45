import { OptionError, ShapeError } from '../errors';
import { linear as linearOp } from '../ops/linear';
import { expectRank, expectShape, type Variable } from '../ops/op';
import { attentionLstm as attentionLstmOp } from '../ops/recurrent/attentionLstm';
import { formatShape, type Dim } from '../ops/shape';
import { expectVariable } from '../ops/variable';
import { describe, positiveInteger } from '../options';
import type { LstmState } from './lstm';
import { lstmCellKind, lstmOperands, type LstmStateNames } from './lstmCell';
import { lstmCellOf, type LstmCell, type LstmCellOptions } from './lstmOptions';
import type { LayerRecord } from './records';
import {
  Recurrent,
  type CellCall,
  type CellResult,
  type RecurrentCallOptions,
  type RecurrentOptions,
  type RecurrentOutput,
} from './recurrent';

/** How a hidden state is held against a slot of the memory; `AttentionLstm` has the equations. */
export type AttentionScore = 'multiplicative' | 'additive';

export interface AttentionLstmOptions extends RecurrentOptions, LstmCellOptions {
  /** Default 'multiplicative'. */
  readonly score?: AttentionScore;
  /** The size A in which the additive score compares. Default P; the multiplicative score has no other. */
  readonly attentionSize?: number;
  /** The size D of a slot of the memory. Inferred from the first memory when left out. */
  readonly memorySize?: number;
}

export interface AttentionLstmCallOptions extends RecurrentCallOptions<LstmState> {
  /** [B, S, D]: S slots for each sequence, to which every layer and direction attends. */
  readonly memory: Variable;
  /** int32 [B]: slots of each sequence's memory; none past them has any part. A sequence without slots attends to nothing. */
  readonly memoryLengths?: Variable | null;
}

/** As of the LSTM, and α_t as `attention` [T, B, S], h̃_t as `unattended` [T, B, H]. */
export type AttentionLstmRecord = LayerRecord &
  Readonly<Record<'gates' | 'cells' | 'attention' | 'unattended', Variable>>;
export type AttentionLstmOutput = RecurrentOutput<LstmState, AttentionLstmRecord>;

export interface AttentionLstm {
  (input: Variable, options: AttentionLstmCallOptions): AttentionLstmOutput;
}

const scores: readonly AttentionScore[] = ['multiplicative', 'additive'];

/**
 * Long short-term memory that attends to a memory m_1 ... m_S in each step:
 *
 *     c_t, h̃_t = LSTM(x_t, h_{t-1}, c_{t-1})                    h̃_t = o_t ⊙ tanh(c_t)
 *     α_t = softmax over s of score(h̃_t, m_s)                    h_t = h̃_t + Σ_s α_ts φ(m_s)      φ(m) = W_v m + b_v
 *     score = h̃_tᵀ W_k m_s                                       multiplicative (Luong et al. 2015, "general")
 *     score = vᵀ tanh(W_q h̃_t + W_k m_s + b_k)                   additive (Bahdanau et al. 2015)
 *
 * The attention of step t is asked by h̃_t, the step's own hidden state, so it has seen x_t; what it finds is in the output
 * of step t and enters the gates of step t + 1. Where `memoryLengths` is 0, h_t is h̃_t.
 *
 * The LSTM is that of `lstm`, with all of its options. They change what gives h̃_t, which a projection makes smaller; zoneout
 * of h and recurrent dropout act on h_t: h_t = k ⊙ h_{t-1} + (1 - k) ⊙ (h̃_t + Σ_s α_ts φ(m_s)), and the gates see mask ⊙ h_{t-1}.
 *
 * Input [T, B, I], memory [B, S, D]; T steps, B sequences, S slots, H hidden size, P `projSize` or H, A attention size. Parameters for layer k and
 * each direction, beside those of an LSTM: `weight_value_l{k} [P, D]`, `bias_value_l{k} [P]`; multiplicative `weight_key_l{k}
 * [P, D]`; additive `weight_key_l{k} [A, D]`, `bias_key_l{k} [A]`, `weight_query_l{k} [A, P]`, `weight_score_l{k} [A]`; all
 * drawn from U(±1/√H). Keys and values are computed once for a sequence.
 */
export class AttentionLstm extends Recurrent<LstmStateNames> {
  private readonly variant: LstmCell;

  constructor(
    hiddenSize: number,
    override readonly options: AttentionLstmOptions = {},
  ) {
    const cell = lstmCellKind(hiddenSize, options);
    super(
      {
        kind: 'attentionLstm',
        ...cell,
        options: [...cell.options, 'score', 'attentionSize', 'memorySize'],
        callOptions: ['memory', 'memoryLengths'],
      },
      hiddenSize,
      options,
    );
    this.variant = lstmCellOf('attentionLstm', hiddenSize, options);
    const { score = 'multiplicative', attentionSize, memorySize } = options;
    if (!scores.includes(score)) {
      throw new OptionError(
        `attentionLstm: score: expected 'multiplicative' or 'additive', received ${describe(score)}`,
      );
    }
    if (memorySize !== undefined) positiveInteger('attentionLstm', 'memorySize', memorySize);
    if (attentionSize === undefined) return;
    positiveInteger('attentionLstm', 'attentionSize', attentionSize);
    if (score === 'multiplicative' && attentionSize !== this.outputSize) {
      throw new OptionError(
        `attentionLstm: attentionSize: expected ${this.outputSize}, the hidden size, with the multiplicative score, received ${attentionSize}`,
      );
    }
  }

  protected override cell(call: CellCall<LstmStateNames>): CellResult<LstmStateNames> {
    const { x, reverse, parameter } = call;
    const { hiddenSize, outputSize: P, variant } = this;
    const { score = 'multiplicative', attentionSize: A = P, bias = true } = this.options;
    const { memory, memoryLengths, memorySize } = this.memoryOf(call);
    const { builder } = x;
    const additive = score === 'additive';
    const project = (weight: Variable, by: Variable | null) =>
      builder.emit(linearOp, { x: memory, weight, bias: by }, {}).y;
    // A bias of the multiplicative score would add the same to all slots, and change nothing.
    const keys = project(
      parameter('weight_key', [A, memorySize]),
      bias && additive ? parameter('bias_key', [A]) : null,
    );
    const values = project(parameter('weight_value', [P, memorySize]), bias ? parameter('bias_value', [P]) : null);
    const operands = {
      ...lstmOperands(call, hiddenSize, variant),
      ...{ keys, values },
      weight_query: additive ? parameter('weight_query', [A, P]) : null,
      weight_score: additive ? parameter('weight_score', [A]) : null,
      memory_lengths: memoryLengths,
    };
    const { y, h_n, c_n, g_n, ...made } = builder.emit(attentionLstmOp, operands, { reverse, ...variant.kind });
    const record = { gates: made.gates, cells: made.cells, attention: made.attention, unattended: made.unattended };
    return { y, hiddenState: h_n, cellState: c_n, gateState: g_n, record };
  }

  /** P: the size of h, which asks and finds. */
  private get outputSize(): number {
    return this.variant.projSize ?? this.hiddenSize;
  }

  private memoryOf({ x, options }: CellCall<LstmStateNames>): {
    readonly memory: Variable;
    readonly memoryLengths: Variable | null;
    readonly memorySize: number;
  } {
    const { memory, memoryLengths = null } = options as Partial<AttentionLstmCallOptions>;
    const batch = x.type.shape[1]!;
    expectVariable('attentionLstm: memory', memory);
    expectRank('attentionLstm: memory', memory.type, 3, '[B, S, D]');
    if (memory.type.shape[0] === 'T') {
      throw new ShapeError(
        `attentionLstm: memory: expected [B, S, D], received ${formatShape(memory.type.shape)}; declare an input as ` +
          `inputShapes = { memory: ['B', 'S', D] }, or transpose(memory, [1, 0, 2]) what a layer gave`,
      );
    }
    const [, slots, size] = memory.type.shape as [Dim, Dim, Dim];
    if (typeof size !== 'number') {
      const received = formatShape(memory.type.shape);
      throw new ShapeError(`attentionLstm: memory: expected a last axis of fixed size, received ${received}`);
    }
    expectShape('attentionLstm: memory', memory.type, [batch, slots, this.options.memorySize ?? size]);
    if (memoryLengths) {
      expectVariable('attentionLstm: memoryLengths', memoryLengths);
      expectShape('attentionLstm: memoryLengths', memoryLengths.type, [batch]);
      x.builder.requireRange(memoryLengths, { below: slots, inclusive: true });
    }
    return { memory, memoryLengths, memorySize: size };
  }
}

/** An `AttentionLstm` layer: `attentionLstm(256, { score: 'additive' })`, called `layer(x, { memory, memoryLengths })`. */
export const attentionLstm = (hiddenSize: number, options?: AttentionLstmOptions): AttentionLstm =>
  new AttentionLstm(hiddenSize, options);
