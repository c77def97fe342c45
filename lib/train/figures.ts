import type { RunResult } from '../backend/backend';
import type { Loss, LossFunction } from '../nn/loss';
import { metricPrefix, names } from './step';

/** The loss, what follows from it (such as `bitsPerCharacter`), and the metrics asked for. */
export interface Figures {
  readonly loss: number;
  readonly [metric: string]: number;
}

export const readScalar = (result: RunResult, name: string): number => result.outputs[name]?.data[0] ?? NaN;

export const weightOf = (result: RunResult): number => result.outputs[names.totalWeight]?.data[0] ?? 1;

export function figuresOf(loss: Loss | LossFunction<never>, result: RunResult): Figures {
  const metrics = Object.keys(result.outputs)
    .filter((name) => name.startsWith(metricPrefix))
    .map((name) => [name.slice(metricPrefix.length), readScalar(result, name)] as const);
  return withDerived(loss, { loss: readScalar(result, names.loss), ...Object.fromEntries(metrics) });
}

function withDerived(loss: Loss | LossFunction<never>, figures: Figures): Figures {
  return typeof loss === 'function' ? figures : { ...figures, ...loss.derived(figures.loss) };
}

export interface MeansRecord {
  readonly sums: readonly (readonly [name: string, sum: number])[];
  readonly weight: number;
  readonly batches: number;
}

/** Weighted means over batches; derived figures follow from the mean loss. */
export class MeanFigures {
  private readonly sums = new Map<string, number>();
  private weight = 0;
  private batches = 0;

  constructor(private readonly loss: Loss | LossFunction<never>) {}

  add(figures: Figures, weight: number): void {
    for (const [name, value] of Object.entries(figures))
      this.sums.set(name, (this.sums.get(name) ?? 0) + value * weight);
    this.weight += weight;
    this.batches++;
  }

  /** As plain JSON, from which `restore` makes the same again. */
  record(): MeansRecord {
    return { sums: [...this.sums], weight: this.weight, batches: this.batches };
  }

  restore({ sums, weight, batches }: MeansRecord): void {
    for (const [name, sum] of sums) this.sums.set(name, sum);
    this.weight = weight;
    this.batches = batches;
  }

  get isEmpty(): boolean {
    return this.batches === 0;
  }

  mean(): Figures {
    const means = Object.fromEntries(
      [...this.sums].map(([name, sum]) => [name, this.weight === 0 ? 0 : sum / this.weight]),
    );
    return withDerived(this.loss, { ...means, loss: means.loss ?? 0 });
  }
}
