import { StateError } from '../errors';
import type { NumberArray } from '../backend/backend';
import { loadFile } from '../checkpoint/file';
import { iterate, type Batch, type Data } from '../data/batch';
import type { Labels } from '../data/labels';
import type { SeriesFormat } from '../data/series/format';
import type { Vocabulary } from '../data/vocabulary';
import { Layer } from '../nn/layer';
import type { AnyOutputs, Outputs } from '../nn/loss';
import { Network, singleOutput } from '../nn/network';
import { signatureOf } from '../nn/signature';
import type { Variable } from '../ops/op';
import type { Shape } from '../ops/shape';
import { abortSignal, checkOptions, filePath } from '../options';
import { print } from '../program/print';
import { inputArrays } from '../train/batch';
import type { Objective } from '../train/step';
import { evaluate, type EvaluateOptions } from '../train/evaluator';
import type { Figures } from '../train/figures';
import type { Run } from '../train/run';
import { checkStepOptions, Stepper, type StepOptions, type StepResult } from '../train/stepper';
import type { FitOptions } from '../train/fitOptions';
import { fit } from '../train/trainer';
import { checkKeepsakes, keep, keepsakesOf, withBrought, type Keepsakes } from './keepsakes';
import { backendNamed, checkModuleOptions, type ModuleOptions } from './options';
import { readingsBelow } from './readings';
import { restoreModel } from './restore';
import { modelMetadata, saveModel, type SaveOptions } from './save';
import { Session } from './session';
import { loadState, parametersBelow, type StateDict } from './stateDict';
import { summarize } from './summary';
import { checkWindows } from './windows';

export interface ParameterInfo {
  /** PyTorch's name, such as `encoder.weight_ih_l0`. */
  readonly path: string;
  readonly shape: readonly number[];
  /** Whether an optimizer leaves it alone. */
  readonly frozen: boolean;
}

export interface PredictOptions {
  /** Abandons the prediction, which then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** The inputs of a `forward` by name: `Inputs<'tokens' | 'lengths'>`. */
export type Inputs<Name extends string> = Readonly<Record<Name, Variable>>;

/** An array that a network gave, `[batch, time, ...]`: float32, or what `backend: 'reference'` gives, a Float64Array. */
export interface OutputTensor<Elements extends NumberArray = Float32Array> {
  readonly data: Elements;
  readonly shape: readonly number[];
}

/** What a network returns, as its `forward` does: one tensor `{ data, shape }`, or several by name. */
export type Prediction<Elements extends NumberArray = Float32Array> = OutputTensor<Elements> &
  Readonly<Record<string, OutputTensor<Elements>>>;

/**
 * A network: layers in fields and a `forward` that says how they are put together.
 *
 *     class Tagger extends Module {
 *       embed = embedding(10_000, 64);
 *       encoder = lstm(128, { bidirectional: true });
 *       head = linear(17);
 *       forward({ tokens, lengths }: Inputs<'tokens' | 'lengths'>) {
 *         return this.head(this.encoder(this.embed(tokens), { lengths }).output);
 *       }
 *     }
 *
 * `forward` runs once for each kind of use: it writes a program, in which variables are `[T, B, ...]`. Sizes are
 * inferred from the first batch. Arrays that come and go are `[batch, time, ...]`.
 */
export abstract class Module extends Layer implements Keepsakes {
  /**
   * How inputs, and `targets`, are to be read where the usual reading ([B], [B, T] of integers, [B, F], [B, T, F] of floats)
   * does not hold. It goes before what layers, such as heads, say of the same arrays.
   */
  readonly inputShapes: Readonly<Record<string, Shape>> = {};
  /** The characters that tokens stand for; set by training on text and by loading. Text of another vocabulary is refused. */
  vocabulary: Vocabulary | null = null;
  /** How the series' columns become numbers and back; set by training on windows and by loading. Series of another format are refused. */
  series: SeriesFormat | null = null;
  /** The classes that indices stand for; set by training on labelled data and by loading. Data with others are refused. */
  labels: Labels | null = null;
  readonly #options: ModuleOptions;
  #network: Network | null = null;
  #readings: Readonly<Record<string, Shape>> | null = null;
  readonly #steppers = new WeakMap<object, Stepper>();
  #disposed = false;

  constructor(options: ModuleOptions = {}) {
    super();
    checkModuleOptions(options);
    this.#options = options;
  }

  /** As `inputShapes` say, and where they say nothing as the layers below do. */
  override readings(): Readonly<Record<string, Shape>> {
    return { ...readingsBelow(this, Object.keys(this.inputShapes)), ...this.inputShapes };
  }

  /** The readings, found once when the layers are bound: no layer comes or goes any more. */
  #settledReadings(): Readonly<Record<string, Shape>> {
    return this.network.signature ? (this.#readings ??= this.readings()) : this.readings();
  }

  /** The options with the loss that the network brings, where none is given. */
  #settled<Options extends Objective<never>>(options: Options): Options {
    const loss = options?.loss ?? this.defaultLoss();
    return loss ? { ...options, loss } : options;
  }

  /** The layers bound to a store of parameters; for the rooms of this package. */
  get network(): Network {
    if (this.#disposed) throw new StateError('the model is disposed');
    this.#network ??= new Network(
      this,
      backendNamed('model', this.#options.backend ?? 'native'),
      this.#options.seed ?? 0,
    );
    return this.#network;
  }

  /** Infers all sizes from a batch and draws the parameters. `fit`, `predict` and `evaluate` do this by themselves. */
  bind(batch: Pick<Batch, 'inputs' | 'lengths'>): this {
    this.network.bind(signatureOf(inputArrays(batch), this.readings()));
    return this;
  }

  /**
   * Trains on `data`, batches that can be iterated once per epoch. Returns at once; see `Run`.
   *
   *     const run = model.fit(batches, { loss: crossEntropy(), optimizer: adam(), metrics: ['accuracy'], epochs: 5 });
   *     const history = await run;
   */
  fit<O extends Outputs = AnyOutputs>(data: Data, options: FitOptions<O>): Run {
    const brought = keepsakesOf(data);
    const kept = () => withBrought(this, brought);
    const run = fit(this.network, data, this.#settled(options), this.readings(), {
      check: () => {
        checkKeepsakes('fit', this, brought, options.validation);
        checkWindows(this, brought);
      },
      metadata: (inputs) => modelMetadata(this.network, kept(), inputs),
      restore: (checkpoint) => restoreModel(this.network, kept(), checkpoint),
      save: async (path) => {
        if (this.network.signature) await this.save(path);
      },
    });
    // With the first step, so that a training that never began leaves none behind.
    const note = () => keep(this, brought);
    return run.on('step', note).on('resume', note);
  }

  /**
   * One training step, for a loop of one's own. Moments go on with the optimizer object in `options`, and start anew after a `fit` with it.
   *
   * Several batches are one step: one update with the gradient of all of them together, in the memory of one.
   */
  async trainStep<O extends Outputs = AnyOutputs>(
    batch: Batch | readonly Batch[],
    options: StepOptions<O>,
  ): Promise<StepResult> {
    const settled = this.#settled(options);
    checkStepOptions('trainStep', settled);
    const { optimizer } = settled;
    const stepper = this.#steppers.get(optimizer) ?? new Stepper(this.network, optimizer, this.readings());
    this.#steppers.set(optimizer, stepper);
    return this.network.exclusively('trainStep', async () => (await stepper.take(batch, settled)).result);
  }

  /** Means of loss and metrics over all batches, without dropout. */
  async evaluate<O extends Outputs = AnyOutputs>(data: Data, options: EvaluateOptions<O> = {}): Promise<Figures> {
    checkKeepsakes('evaluate', this, keepsakesOf(data));
    checkWindows(this, data);
    return evaluate(this.network, data, this.#settled(options), this.readings());
  }

  /**
   * Runs the network on a batch without dropout. During a training it runs between two steps.
   *
   * It runs off the event loop; a brief run, of about 0.1 ms at most (one step of an LSTM of up to 256 units), in the call,
   * when nothing else is under way in the network, nobody asked for more than one thread, the weights are those of the last
   * prediction, and few such runs came before it in this turn. The promise settles in a later turn in either case.
   *
   *     const { data, shape } = await model.predict({ inputs: { data: Int32Array.of(3, 1, 4), shape: [1, 3] } });
   *     const { tags, score } = await tagger.predict(batch); // where `forward` returns several by name
   *
   * A model on the reference backend gives Float64Arrays: `predict<Float64Array>(batch)`.
   */
  async predict<Elements extends NumberArray = Float32Array>(
    batch: Pick<Batch, 'inputs' | 'lengths'>,
    options: PredictOptions = {},
  ): Promise<Prediction<Elements>> {
    checkOptions('predict', options, ['signal']);
    abortSignal('predict', options.signal);
    const arrays = inputArrays(batch);
    const outputs = await this.network.predict(arrays, signatureOf(arrays, this.#settledReadings()), options);
    const isSingle = Object.keys(outputs).length === 1;
    return ((isSingle && outputs[singleOutput]) || outputs) as Prediction<Elements>;
  }

  /** Predictions for each batch of a data set, in order. */
  async *predictAll<Elements extends NumberArray = Float32Array>(
    data: Data,
    options: PredictOptions = {},
  ): AsyncGenerator<Prediction<Elements>, void, undefined> {
    for await (const batch of iterate(data)) yield this.predict<Elements>(batch, options);
  }

  /** One user's state, over a snapshot of the parameters, stepped synchronously in microseconds. */
  session(): Session {
    return new Session(this.network);
  }

  parameters(): ParameterInfo[] {
    this.network.requireBound();
    return [...this.network.parameters.values()].map(({ path, shape }) => ({
      path,
      shape,
      frozen: this.network.frozen.has(path),
    }));
  }

  /** A table of layers and parameters. */
  summary(): string {
    this.network.requireBound();
    return summarize(this.network);
  }

  /** Copies of all parameters under PyTorch's names, as they are between two training steps. */
  async stateDict(): Promise<StateDict> {
    return Object.fromEntries(await this.network.readParameters());
  }

  /**
   * Sets all parameters, from tensors by name or from a safetensors file such as a PyTorch state dict. With `prefix`,
   * only names that begin with it, taken without it. Nothing changes unless every name and shape fits.
   */
  async loadStateDict(source: string | StateDict, options: { readonly prefix?: string } = {}): Promise<void> {
    if (typeof source !== 'object' || source === null) filePath('loadStateDict', source);
    checkOptions('loadStateDict', options, ['prefix']);
    const tensors = typeof source === 'string' ? (await loadFile(source)).tensors : new Map(Object.entries(source));
    loadState(this.network, tensors, options.prefix ?? '');
  }

  /** Optimizers leave parameters alone whose path is `prefix` or below it; '' freezes all. */
  freeze(prefix: string): this {
    this.#setFrozen(prefix, true);
    return this;
  }

  unfreeze(prefix: string): this {
    this.#setFrozen(prefix, false);
    return this;
  }

  #setFrozen(prefix: string, frozen: boolean): void {
    const { network } = this;
    network.requireBound();
    const owner = frozen ? 'freeze' : 'unfreeze';
    if (network.busy) throw new StateError(`${owner}: the network is busy with ${network.busy}`);
    for (const path of parametersBelow(owner, network, prefix)) {
      if (frozen) network.frozen.add(path);
      else network.frozen.delete(path);
    }
    network.forgetPrograms();
  }

  /** The forward program, one equation a line. */
  program(): string {
    const signature = this.network.requireBound();
    return print(this.network.writePrediction(signature).program);
  }

  /** Writes one safetensors file with weights, architecture and all that prediction needs. The old file, if any, stays until the new one is whole. */
  async save(path: string, options: SaveOptions = {}): Promise<void> {
    filePath('save', path);
    checkOptions('save', options, ['text']);
    if (options.text) this.vocabulary = options.text.vocabulary;
    await saveModel(this.network, this, path);
  }

  /** Frees the native memory now. Without it, the garbage collector does, later. */
  dispose(): void {
    if (this.#network?.busy) throw new StateError(`dispose: the network is busy with ${this.#network.busy}`);
    this.#network?.dispose();
    this.#network = null;
    this.#disposed = true;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
