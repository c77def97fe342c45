import { OptionError, ShapeError } from '../errors';
import { add } from '../ops/functions/pairwise';
import { expectRank, expectShape, type Variable } from '../ops/op';
import { formatShape, type Dim } from '../ops/shape';
import { expectVariable } from '../ops/variable';
import { checkOptions, flag, positiveInteger, probability } from '../options';
import { applyDropout, applySequenceDropout } from './dropout';
import { constant, uniform, type Initializer } from './initializer';
import { Layer, type LayerConfig } from './layer';
import { withLayers, type LayerRecord } from './records';
import { lastSize } from './size';
import { checkStackOptions, stackOutput } from './stack';
import { learnedStateName, refuseForeignStates, stateName, type StateName } from './stateNames';
import { beginning, join, stateAt, withLeadingAxis } from './states';
import type { RecurrentWeights } from './weights';
import { activeTrace } from './trace';

/** What every recurrent layer can be asked for. */
export interface RecurrentOptions {
  /** Inferred from the first input when left out. */
  readonly inputSize?: number;
  /** Layers stacked, each on the output of the one below. Default 1. */
  readonly numLayers?: number;
  /** Adds a second cell per layer that walks each sequence from its end; outputs are side by side. Default false. */
  readonly bidirectional?: boolean;
  /** Probability of dropping, in training, each element that one layer hands to the next; it does nothing where there is one. Default 0. */
  readonly dropout?: number;
  /** The same of every layer's input, with one mask for all steps of a sequence. Source: Gal & Ghahramani 2016. Default 0. */
  readonly inputDropout?: number;
  /** Probability of dropping each element of `weight_hh`, one mask for a run, in training. Source: Merity et al. 2018. Default 0. */
  readonly weightDrop?: number;
  /** Default true. */
  readonly bias?: boolean;
  /** Each state begins, where it is given none, not at zero but at a parameter, such as `h0_l0` [H], which itself begins there. Default false. */
  readonly learnInitialState?: boolean;
  /**
   * What a stack such as `sequential` hands on: the whole sequence [T, B, D·H], or [B, D·H]: the state after the last step,
   * or the mean or the largest over the steps of each sequence (zeros where there are none; neither can be stepped).
   * Default 'sequence'.
   */
  readonly output?: 'sequence' | 'last' | 'mean' | 'max';
  /**
   * Each layer above the first adds its input, before dropout, to its output: x_{k+1} = x_k + layer_k(x_k). Those sizes
   * always agree, D·H in both directions; the first layer's input has a size of its own, so nothing is added to it
   * (`residual(layer)` does so). Needs `numLayers` of 2 or more. States are the cells' own. Source: Wu et al. 2016 (GNMT).
   * Default false.
   */
  readonly residual?: boolean;
}

const optionNames = [
  'inputSize',
  'numLayers',
  'bidirectional',
  'dropout',
  'inputDropout',
  'weightDrop',
  'bias',
  'learnInitialState',
  'output',
  'residual',
];

/** Each state of every layer and direction: [numLayers·D, B, H], index layer·D + direction. */
export type RecurrentState<S extends StateName> = Readonly<Record<S, Variable>>;
/** States that a cell has only with an option. */
export type OptionalState<S extends StateName> = Readonly<Partial<Record<S, Variable>>>;

export interface RecurrentCallOptions<State> {
  /** int32 [B]: steps of each sequence; nothing past a length has any part, and outputs there are 0. */
  readonly lengths?: Variable | null;
  /** When left out: the state that the program carries, if it carries one; else the learned one, or zeros. */
  readonly initialState?: State;
}

const callOptionNames: readonly (keyof RecurrentCallOptions<unknown>)[] = ['lengths', 'initialState'];

export type RecurrentOutput<State, Shown extends LayerRecord = LayerRecord> = State & {
  /** As the option `output` says. */
  readonly output: Variable;
  /** What each layer and direction did at every step, index layer·D + direction; costs nothing unless it is returned or read. */
  readonly layers: readonly Shown[];
};

/** What a cell is applied to: one layer in one direction. A state that is null begins at zero. */
export interface CellCall<S extends StateName> {
  readonly x: Variable;
  readonly initial: Readonly<Record<S, Variable | null>>;
  readonly weights: RecurrentWeights;
  readonly lengths: Variable | null;
  readonly reverse: boolean;
  /** What the layer was called with, the cell's own options included. */
  readonly options: RecurrentCallOptions<RecurrentState<S>>;
  /** A further parameter of this layer and direction; its name without `_l{k}`. */
  parameter(name: string, shape: readonly number[], initializer?: Initializer): Variable;
}

/**
 * y [T, B, H], and each state after the last step walked, [B, H]. Every cell has a hidden state. `record`: what else the
 * cell shows of its steps, [T, B, ·] by name.
 */
export type CellResult<S extends StateName> = RecurrentState<S | 'hiddenState'> & {
  readonly y: Variable;
  readonly record?: Readonly<Record<string, Variable>>;
};

/** What a layer says of its cell. */
export interface CellKind<S extends StateName> {
  readonly kind: string;
  readonly states: readonly S[];
  /** Those among them that begin at zero also where initial states are learned. */
  readonly fixedStates?: readonly S[];
  /** Blocks of H rows in each weight and bias. */
  readonly gateCount: number;
  /** Blocks of H in a state, where it is not one. */
  readonly stateBlocks?: Readonly<Partial<Record<StateName, number>>>;
  /** Options beside those that every recurrent layer has. */
  readonly options?: readonly string[];
  /** Options of a call beside those that every recurrent layer has. */
  readonly callOptions?: readonly string[];
  /** The size of the hidden state, where it is not the hidden size. */
  outputSize?(): number;
  /** Columns of `weight_hh`: how much of the hidden state a unit's gates see, where that is not all of it. */
  recurrentSize?(): number;
  /** How a bias begins, where it is not like the weights. */
  biasInitializer?(name: 'bias_ih' | 'bias_hh', initializer: Initializer): Initializer;
}

/**
 * A stack of recurrent cells in one or both directions: everything that does not depend on the cell.
 *
 * Input [T, B, I]; T steps, B sequences, I input size, H hidden size, D directions, G gates. Parameters, for layer k and
 * each direction: `weight_ih_l{k} [G·H, I]`, `weight_hh_l{k} [G·H, H]`, `bias_ih_l{k} [G·H]`, `bias_hh_l{k} [G·H]`, with
 * `_reverse` appended for the backward direction; all drawn from U(±1/√H). Names and init as PyTorch. With
 * `learnInitialState` also `h0_l{k} [H]`, and the same for each state of the cell, zeros at first.
 */
export abstract class Recurrent<S extends StateName> extends Layer {
  protected constructor(
    private readonly cellKind: CellKind<S>,
    readonly hiddenSize: number,
    readonly options: RecurrentOptions,
  ) {
    super();
    const { kind, options: own = [] } = cellKind;
    checkOptions(kind, options, [...optionNames, ...own]);
    const { inputSize = 1, numLayers = 1, dropout = 0, inputDropout = 0, weightDrop = 0 } = options;
    positiveInteger(kind, 'hiddenSize', hiddenSize);
    positiveInteger(kind, 'inputSize', inputSize);
    positiveInteger(kind, 'numLayers', numLayers);
    for (const [name, value] of Object.entries({ dropout, inputDropout, weightDrop })) probability(kind, name, value);
    checkStackOptions(kind, options);
    for (const name of ['bidirectional', 'bias', 'learnInitialState'] as const)
      flag(kind, name, options[name] ?? false);
  }

  /** Writes the cell's equation over a sequence. */
  protected abstract cell(call: CellCall<S>): CellResult<S>;

  override describe(): LayerConfig {
    const { hiddenSize, options } = this;
    return { kind: this.cellKind.kind, hiddenSize, options };
  }

  override forward(
    input: Variable,
    options: RecurrentCallOptions<RecurrentState<S>> = {},
  ): RecurrentOutput<RecurrentState<S>> {
    const { kind, callOptions = [] } = this.cellKind;
    checkOptions(kind, options, [...callOptionNames, ...callOptions]);
    const { lengths = null } = options;
    const { numLayers = 1, bidirectional = false, dropout = 0, residual = false } = this.options;
    lastSize(kind, input, this.options.inputSize);
    expectRank('input', input.type, 3, '[T, B, I]');
    if (input.type.shape[0] === 'B') {
      const received = formatShape(input.type.shape);
      throw new ShapeError(`${kind}: input: expected [T, B, I], received ${received}; transpose(x, [1, 0, 2]) first`);
    }
    if (lengths) {
      expectVariable(`${kind}: lengths`, lengths);
      expectShape('lengths', lengths.type, [input.type.shape[1]!]);
      input.builder.requireRange(lengths, { below: input.type.shape[0]!, inclusive: true });
    }
    const results: CellResult<S>[] = [];
    let sequence = input;
    for (let layer = 0; layer < numLayers; layer++) {
      const below = sequence;
      if (layer > 0) sequence = applyDropout(sequence, dropout);
      sequence = applySequenceDropout(sequence, this.options.inputDropout ?? 0);
      const directions = (bidirectional ? [false, true] : [false]).map((reverse) =>
        this.direction(sequence, layer, reverse, options),
      );
      const outputs = directions.map(({ y }) => y);
      sequence = join(outputs, 2);
      if (residual && layer > 0) sequence = add(below, sequence);
      results.push(...directions);
    }
    const finals = results.map(({ hiddenState }) => hiddenState);
    const output = stackOutput(kind, this.options, sequence, finals, lengths);
    const stacked = (name: S) =>
      join(
        results.map((result) => withLeadingAxis(result[name])),
        0,
      );
    const states = this.eachState(stacked);
    const layers = results.map(({ y, record }): LayerRecord => ({ hidden: y, ...record }));
    return withLayers({ output, ...states }, layers);
  }

  /** One layer in one direction. */
  private direction(
    x: Variable,
    layer: number,
    reverse: boolean,
    options: RecurrentCallOptions<RecurrentState<S>>,
  ): CellResult<S> {
    const { lengths = null, initialState: given } = options;
    const { bidirectional, bias = true, weightDrop = 0 } = this.options;
    const { kind, gateCount, recurrentSize, biasInitializer } = this.cellKind;
    const H = this.hiddenSize;
    const I = lastSize(kind, x, undefined);
    const suffix = `l${layer}${reverse ? '_reverse' : ''}`;
    const initializer = uniform(1 / Math.sqrt(H));
    const rows = gateCount * H;
    const columns = recurrentSize?.() ?? this.stateSize('hiddenState');
    const parameter = (name: string, shape: readonly number[], by = initializer) =>
      this.parameter(`${name}_${suffix}`, shape, by);
    const biasOf = (name: 'bias_ih' | 'bias_hh') =>
      bias ? parameter(name, [rows], biasInitializer?.(name, initializer)) : null;
    const weights = {
      weight_ih: parameter('weight_ih', [rows, I]),
      weight_hh: applyDropout(parameter('weight_hh', [rows, columns]), weightDrop),
      bias_ih: biasOf('bias_ih'),
      bias_hh: biasOf('bias_hh'),
    };
    const index = layer * (bidirectional ? 2 : 1) + (reverse ? 1 : 0);
    const initial = this.initialState(x, index, suffix, given);
    const result = this.cell({ x, initial, weights, lengths, reverse, options, parameter });
    activeTrace().noteRecurrent(this, suffix, { hidden: result.y, ...result.record });
    if (!given) for (const name of this.cellKind.states) this.carryState(stateName(name, suffix), result[name]);
    return result;
  }

  private initialState(
    x: Variable,
    index: number,
    suffix: string,
    given: RecurrentState<S> | undefined,
  ): Record<S, Variable | null> {
    const { numLayers = 1, bidirectional } = this.options;
    const { kind } = this.cellKind;
    const B = x.type.shape[1]!;
    if (given) {
      refuseForeignStates(kind, given, this.cellKind.states);
      const count = numLayers * (bidirectional ? 2 : 1);
      for (const name of this.cellKind.states) {
        expectVariable(`${kind}: initialState.${name}`, given[name]);
        expectShape(`initialState.${name}`, given[name].type, [count, B, this.stateSize(name)]);
      }
      return this.eachState((name) => stateAt(given[name], index));
    }
    if (bidirectional && activeTrace().carries) {
      throw new OptionError(
        `${kind}: a bidirectional ${kind} reads each sequence to its end, so it cannot carry state or be stepped`,
      );
    }
    return this.eachState((name) => this.stateWhenNotGiven(name, suffix, B));
  }

  /** Zeros as null, the learned or the carried state. */
  private stateWhenNotGiven(name: S, suffix: string, batch: Dim): Variable | null {
    const { fixedStates = [] } = this.cellKind;
    const size = this.stateSize(name);
    const isLearned = this.options.learnInitialState === true && !fixedStates.includes(name);
    const learnedName = isLearned ? learnedStateName(name, suffix) : null;
    const carried = this.recurrentState(stateName(name, suffix), [batch, size], learnedName);
    return learnedName === null ? carried : beginning(this.parameter(learnedName, [size], constant(0)), carried, batch);
  }

  private stateSize(name: StateName): number {
    if (name === 'hiddenState') return this.cellKind.outputSize?.() ?? this.hiddenSize;
    return (this.cellKind.stateBlocks?.[name] ?? 1) * this.hiddenSize;
  }

  private eachState<T>(make: (name: S) => T): Record<S, T> {
    return Object.fromEntries(this.cellKind.states.map((name) => [name, make(name)])) as Record<S, T>;
  }
}
