import type { RunResult } from '../backend/backend';
import type { Metric } from '../nn/metric';
import { mapValues } from '../mapValues';
import { chosenMetrics, lossOf, metricPrefix, names, type Objective } from './step';

/** The loss, what follows from it (such as `bitsPerCharacter`), and the metrics asked for. */
export interface Figures {
  readonly loss: number;
  readonly [metric: string]: number;
}

/** What one run says of its batch. */
export interface Measured {
  readonly figures: Figures;
  /** Of the loss, and of metrics that are scalars, in a mean over batches. */
  readonly weight: number;
  /** Of metrics that are made of sums: the sums of this batch, by metric and name. */
  readonly sums: Readonly<Record<string, Totals>>;
}

type Totals = Readonly<Record<string, ArrayLike<number>>>;

export const readScalar = (result: RunResult, name: string): number => result.outputs[name]?.data[0] ?? NaN;

const isSummed = (metric: unknown): metric is Metric => typeof metric === 'object';

/** Metrics of the objective that are made of sums, by name. */
const summed = (objective: Objective): [string, Metric][] =>
  [...chosenMetrics(objective)].flatMap(([name, metric]) => (isSummed(metric) ? [[name, metric]] : []));

export function measure(objective: Objective, result: RunResult): Measured {
  const scalars = [...chosenMetrics(objective)].flatMap(([name, metric]) =>
    isSummed(metric) ? [] : [[name, readScalar(result, metricPrefix + name)] as const],
  );
  const sums = Object.fromEntries(summed(objective).map(([name]) => [name, totalsIn(result, name)]));
  const figures = { loss: readScalar(result, names.loss), ...Object.fromEntries(scalars) };
  return {
    figures: complete(objective, figures, sums),
    weight: result.outputs[names.totalWeight]?.data[0] ?? 1,
    sums,
  };
}

/** The sums of one metric among the outputs of a run. */
function totalsIn({ outputs }: RunResult, metric: string): Totals {
  const prefix = `${metricPrefix}${metric}/`;
  const own = Object.entries(outputs).filter(([name]) => name.startsWith(prefix));
  return Object.fromEntries(own.map(([name, { data }]) => [name.slice(prefix.length), Float64Array.from(data)]));
}

/** Adds the figures that follow from sums and from the loss. */
function complete(objective: Objective, figures: Figures, sums: Measured['sums']): Figures {
  const loss = lossOf(objective);
  const ofSums = summed(objective).map(([name, { figure }]) => [name, figure(sums[name] ?? {})] as const);
  return {
    ...figures,
    ...Object.fromEntries(ofSums),
    ...(typeof loss === 'function' ? {} : loss.derived(figures.loss)),
  };
}

/** What means are made of, as plain JSON. */
export interface MeansRecord {
  readonly means: readonly (readonly [name: string, sum: number])[];
  readonly sums: Readonly<Record<string, Readonly<Record<string, readonly number[]>>>>;
  readonly weight: number;
  readonly batches: number;
}

const bare = <T>(): Record<string, T> => Object.create(null) as Record<string, T>;

/** Weighted means over batches; figures that are made of sums are taken of the sums over all batches. */
export class MeanFigures {
  private readonly means = new Map<string, number>();
  /** Without a prototype, as a metric may be called `constructor`. */
  private readonly sums: Record<string, Record<string, Float64Array>> = bare();
  private weight = 0;
  private batches = 0;

  constructor(private readonly objective: Objective) {}

  add({ figures, weight, sums }: Measured): void {
    for (const [name, value] of Object.entries(figures))
      if (!Object.hasOwn(sums, name)) this.means.set(name, (this.means.get(name) ?? 0) + value * weight);
    for (const [metric, totals] of Object.entries(sums))
      for (const [name, values] of Object.entries(totals)) this.addSum((this.sums[metric] ??= bare()), name, values);
    this.weight += weight;
    this.batches++;
  }

  private addSum(totals: Record<string, Float64Array>, name: string, values: ArrayLike<number>): void {
    const total = (totals[name] ??= new Float64Array(values.length));
    for (let k = 0; k < total.length; k++) total[k]! += values[k]!;
  }

  /** As plain JSON, from which `restore` makes the same again. */
  record(): MeansRecord {
    const { means, sums, weight, batches } = this;
    const plain = (totals: Record<string, Float64Array>) => mapValues(totals, (values) => Array.from(values));
    return { means: [...means], sums: mapValues(sums, plain), weight, batches };
  }

  restore({ means, sums, weight, batches }: MeansRecord): void {
    for (const [name, sum] of means) this.means.set(name, sum);
    for (const [metric, totals] of Object.entries(sums))
      this.sums[metric] = mapValues(totals, (values) => Float64Array.from(values));
    this.weight = weight;
    this.batches = batches;
  }

  get isEmpty(): boolean {
    return this.batches === 0;
  }

  /** All batches as one, to be added to others. */
  total(): Measured {
    return { figures: this.mean(), weight: this.weight, sums: this.sums };
  }

  mean(): Figures {
    const means = Object.fromEntries(
      [...this.means].map(([name, sum]) => [name, this.weight === 0 ? 0 : sum / this.weight]),
    );
    return complete(this.objective, { ...means, loss: means.loss ?? 0 }, this.sums);
  }
}
