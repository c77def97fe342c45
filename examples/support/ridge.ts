import type { Baseline, SeriesHistory } from 'lstm-native';

/** What is known of step `h` = 1, 2, ... after the end of a history, as numbers near 1. */
export type Features = (history: SeriesHistory, h: number) => readonly number[];

interface RidgeOptions {
  readonly name: string;
  readonly features: Features;
  /** What is predicted is (observation − center) / scale, as the penalty draws it to 0. */
  readonly center: number;
  readonly scale: number;
  readonly horizon: number;
  /** The first origin that it is fitted on: enough rows before it for all features. */
  readonly begin: number;
  /** λ. */
  readonly penalty: number;
}

/**
 * Ridge regression as a naive forecast: ŷ = w·features, w = argmin Σ (y − w·x)² + λ|w|², over one origin in seven of the
 * training and all steps of the horizon.
 */
export function ridge({ name, features, center, scale, horizon, begin, penalty }: RidgeOptions): Baseline {
  return {
    name,
    fit({ values, time }) {
      const equations = new NormalEquations();
      for (let origin = begin; origin + horizon <= values.length; origin += 7) {
        const history = { values: Array.prototype.slice.call(values, 0, origin) as number[], time };
        for (let h = 1; h <= horizon; h++)
          equations.add(features(history, h), (values[origin + h - 1]! - center) / scale);
      }
      const weights = equations.solve(penalty);
      const forecast = (history: SeriesHistory, h: number) =>
        features(history, h).reduce((sum, x, index) => sum + x * weights[index]!, 0) * scale + center;
      return (history, steps) => Float64Array.from({ length: steps }, (_, index) => forecast(history, index + 1));
    },
  };
}

/** Σ x xᵀ and Σ x y of least squares. */
class NormalEquations {
  private readonly products: number[][] = [];
  private readonly targets: number[] = [];

  add(x: readonly number[], y: number): void {
    x.forEach((value, row) => {
      const products = (this.products[row] ??= x.map(() => 0));
      this.targets[row] = (this.targets[row] ?? 0) + value * y;
      if (value !== 0) x.forEach((other, column) => (products[column]! += value * other));
    });
  }

  /** (Σ x xᵀ + λ 1)⁻¹ Σ x y, by Cholesky's factors. */
  solve(penalty: number): number[] {
    const size = this.targets.length;
    const factor = this.products.map((row) => row.map(() => 0));
    for (let row = 0; row < size; row++) {
      for (let column = 0; column <= row; column++) {
        let rest = this.products[row]![column]! + (row === column ? penalty : 0);
        for (let k = 0; k < column; k++) rest -= factor[row]![k]! * factor[column]![k]!;
        factor[row]![column] = row === column ? Math.sqrt(rest) : rest / factor[column]![column]!;
      }
    }
    const solution = [...this.targets];
    for (let row = 0; row < size; row++) {
      for (let k = 0; k < row; k++) solution[row]! -= factor[row]![k]! * solution[k]!;
      solution[row]! /= factor[row]![row]!;
    }
    for (let row = size - 1; row >= 0; row--) {
      for (let k = row + 1; k < size; k++) solution[row]! -= factor[k]![row]! * solution[k]!;
      solution[row]! /= factor[row]![row]!;
    }
    return solution;
  }
}
