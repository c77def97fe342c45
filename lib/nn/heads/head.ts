/** What heads have in common: layers that end a network with predictions, one step or a whole horizon at once. */
import { DataError, OptionError, ShapeError } from '../../errors';
import { add, concat, lastSteps, relu, reshape, slice } from '../../ops/functions';
import { linear } from '../../ops/linear';
import type { Variable } from '../../ops/op';
import { formatShape, type Shape } from '../../ops/shape';
import { expectVariable } from '../../ops/variable';
import { checkOptions, positiveInteger } from '../../options';
import type { Distribution } from './distribution';
import { uniform } from '../initializer';
import { Layer, type LayerConfig } from '../layer';
import { refuseSteps } from '../lengths';
import { lastSize } from '../size';

export interface HeadOptions {
  /**
   * Steps that are predicted at once, from the last step of each sequence. Without it the head predicts at every step:
   * one ahead, or a label for each.
   */
  readonly horizon?: number;
  /** Targets M that are predicted together. Default 1. */
  readonly targets?: number;
  /** A hidden layer of this size, with max(x, 0), in which a step's covariates and the encoder's state meet. Default: none. */
  readonly hiddenSize?: number;
  /**
   * What a prediction is the difference from: `'last'`, the last observed targets; or those of one season before, `{ season: 7 }`
   * for days of the same weekday. Observed targets are the first M columns of the network's input, in its units. Default:
   * none. A season needs a horizon and, in every sequence, at least as many observed steps.
   */
  readonly anchor?: 'last' | { readonly season: number };
}

export interface HeadCallOptions {
  /** int32 [B]: steps of each sequence; the last is that at the length. */
  readonly lengths?: Variable | null;
  /** [B, horizon, F]: covariates that are known ahead, of each step of the horizon. */
  readonly future?: Variable | null;
  /** [B, S]: covariates of whole sequences. */
  readonly static?: Variable | null;
  /** [T, B, C]: what the network observed, targets first; for an anchor. */
  readonly past?: Variable | null;
}

const optionNames = ['horizon', 'targets', 'hiddenSize', 'anchor'];
/** A stack hands the same to each of its layers. */
const callOptionNames = ['lengths', 'initialState', 'memory', 'memoryLengths', 'future', 'static', 'past'];

/**
 * y = W s + U v + V f_k + b, of the encoder's last state s, static covariates v, and the covariates f_k of each step k of
 * the horizon: W, U and b have rows for each step, V is the same for all. With `hiddenSize` that is the hidden layer, and
 * y = W' max(·, 0) + b', the same for all steps.
 *
 * D is `hiddenSize`, or M·K without; parameters `weight [horizon·D, I]`, `bias [horizon·D]`, where there are such
 * covariates `weight_static [horizon·D, S]` and `weight_future [D, F]`, all drawn from U(±1/√(I + S + F)), with a hidden
 * layer `weight_out [M·K, D]` and `bias_out [M·K]`, from U(±1/√D). Without a horizon there is one step.
 */
export abstract class Head extends Layer {
  /** How to read the K numbers of one target. */
  abstract readonly distribution: Distribution;
  readonly targets: number;

  constructor(
    /** The head's name in messages and files. */
    readonly kind: string,
    readonly options: HeadOptions,
    /** Numbers K that describe one target. */
    private readonly size: number,
    allowed: readonly string[] = optionNames,
  ) {
    super();
    checkOptions(kind, options, allowed);
    for (const name of ['horizon', 'targets', 'hiddenSize'] as const)
      if (options[name] !== undefined) positiveInteger(kind, name, options[name]);
    this.targets = options.targets ?? 1;
    this.checkAnchor();
  }

  /** The numbers that describe a target, [..., M, K], of raw ones; `anchor` [..., M, 1] is added to what is a location. */
  protected abstract parameters(raw: Variable, anchor: Variable | null): Variable;

  override describe(): LayerConfig {
    return { kind: this.kind, options: this.options };
  }

  override inputNames(): readonly string[] {
    const { horizon, anchor } = this.options;
    return [...(horizon === undefined ? [] : ['future']), 'static', ...(anchor === undefined ? [] : ['past'])];
  }

  override readings(): Readonly<Record<string, Shape>> {
    const { horizon } = this.options;
    if (horizon === undefined) return {};
    return { future: ['B', horizon, 'F'], targets: ['B', horizon, this.targets] };
  }

  override forward(x: Variable, options: HeadCallOptions = {}): Variable {
    checkOptions(this.kind, options, callOptionNames);
    const raw = this.transformed(this.firstLayer(x, options));
    const leading = raw.type.shape.slice(0, -1);
    const spread = reshape(raw, [...leading, this.targets, this.size]);
    const anchor = this.anchored(options);
    return this.parameters(spread, anchor && reshape(anchor, [...anchor.type.shape, 1]));
  }

  private checkAnchor(): void {
    const { anchor, horizon } = this.options;
    if (anchor === undefined || anchor === 'last') return;
    checkOptions(`${this.kind}: anchor`, anchor, ['season']);
    positiveInteger(`${this.kind}: anchor`, 'season', anchor.season);
    if (horizon === undefined)
      throw new OptionError(`${this.kind}: anchor: a season needs a horizon; without one, 'last' is the step itself`);
  }

  /** [..., D], each step of the horizon with what belongs to it. */
  private firstLayer(x: Variable, options: HeadCallOptions): Variable {
    const { horizon, hiddenSize: D = this.targets * this.size } = this.options;
    const state = this.state(x, options);
    const { static: fixed = null, future = null } = options;
    const sizes = [state, fixed, future].map((input) => (input ? lastSize(this.kind, input, undefined) : 0));
    const initializer = uniform(1 / Math.sqrt(sizes.reduce((sum, size) => sum + size)));
    const [I, S, F] = sizes as [number, number, number];
    const rows = (horizon ?? 1) * D;
    const byStep = (y: Variable) => (horizon === undefined ? y : reshape(y, [y.type.shape[0]!, horizon, D]));
    const weight = this.parameter('weight', [rows, I], initializer);
    const bias = this.parameter('bias', [rows], initializer);
    let y = byStep(x.builder.emit(linear, { x: state, weight, bias }, {}).y);
    if (fixed) {
      const weight = this.parameter('weight_static', [rows, S], initializer);
      y = add(y, byStep(x.builder.emit(linear, { x: fixed, weight }, {}).y));
    }
    if (future) {
      const weight = this.parameter('weight_future', [D, F], initializer);
      y = add(y, x.builder.emit(linear, { x: future, weight }, {}).y);
    }
    return y;
  }

  private transformed(y: Variable): Variable {
    const { hiddenSize: D } = this.options;
    if (D === undefined) return y;
    const size = this.targets * this.size;
    const initializer = uniform(1 / Math.sqrt(D));
    const weight = this.parameter('weight_out', [size, D], initializer);
    const bias = this.parameter('bias_out', [size], initializer);
    return y.builder.emit(linear, { x: relu(y), weight, bias }, {}).y;
  }

  /** What the prediction is made from: [B, I] with a horizon, else x itself. */
  private state(x: Variable, { lengths = null, future }: HeadCallOptions): Variable {
    const { horizon } = this.options;
    const size = lastSize(this.kind, x, undefined);
    const { shape } = x.type;
    if (horizon === undefined) {
      if (future) throw new DataError(`${this.kind}: future: covariates that are known ahead need a horizon`);
      return x;
    }
    if (shape.length === 2) return x;
    if (shape.length !== 3)
      throw new ShapeError(`${this.kind}: input: expected [T, B, I] or [B, I], received ${formatShape(shape)}`);
    return reshape(lastSteps(x, lengths), [shape[1]!, size]);
  }

  /** The observed targets that a prediction starts from: [B, horizon or 1, M]; without a horizon [T, B, M]; or null. */
  private anchored({ past = null, lengths = null }: HeadCallOptions): Variable | null {
    const { anchor, horizon } = this.options;
    if (anchor === undefined) return null;
    expectVariable(`${this.kind}: anchor: the network's input, past`, past);
    const columns = lastSize(`${this.kind}: anchor: past`, past, undefined);
    if (columns < this.targets)
      throw new ShapeError(
        `${this.kind}: anchor: expected observed targets in the first ${this.targets} columns of the input, received ${formatShape(past.type.shape)}`,
      );
    const observed = slice(past, -1, 0, this.targets);
    if (horizon === undefined) return observed;
    if (anchor === 'last') return lastSteps(observed, lengths);
    const { season } = anchor;
    refuseSteps(`${this.kind}: anchor: a season`);
    this.requireSeason(season, past, lengths);
    const before = lastSteps(observed, lengths, season);
    const whole = Array.from({ length: Math.floor(horizon / season) }, () => before);
    const rest = horizon % season;
    return concat(rest === 0 ? whole : [...whole, slice(before, 1, 0, rest)], 1);
  }

  /** How many steps there are is known when a batch comes. */
  private requireSeason(season: number, past: Variable, lengths: Variable | null): void {
    const purpose = `${this.kind}: anchor: season ${season} within the lookback`;
    const steps = past.type.shape[0]!;
    past.builder.requireLeast(steps, season, purpose);
    lengths?.builder.requireRange(lengths, { from: season, below: steps, inclusive: true, purpose });
  }

  /**
   * Throws unless the windows of series go with this head; `ends` where its output is compared with their targets.
   * Earlier than a batch would tell.
   */
  checkWindow(path: string, window: { readonly lookback: number; readonly horizon: number }, ends: boolean): void {
    const { anchor, horizon } = this.options;
    const place = path ? `${path}: ${this.kind}` : this.kind;
    if (typeof anchor === 'object' && anchor.season > window.lookback)
      throw new OptionError(
        `${place}: anchor: season: expected at most ${window.lookback}, the lookback of the windows, received ${anchor.season}`,
      );
    if (!ends || horizon === window.horizon) return;
    const received = horizon === undefined ? 'none, which predicts at every step' : String(horizon);
    throw new OptionError(`${place}: horizon: expected ${window.horizon}, that of the windows, received ${received}`);
  }
}
