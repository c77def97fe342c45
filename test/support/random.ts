import { philox } from '../../lib/ops/philox';
import type { Shape } from '../../lib/ops/shape';

/** A value for a program: its data, its sizes, and how the program writes them where that is not in numbers. */
export interface Tensor<D extends Float64Array | Int32Array = Float64Array | Int32Array> {
  readonly data: D;
  readonly shape: readonly number[];
  readonly dims?: Shape;
}

export const floats = (shape: readonly number[], data: ArrayLike<number>): Tensor<Float64Array> => ({
  data: Float64Array.from(data),
  shape,
});
export const integers = (shape: readonly number[], data: ArrayLike<number>): Tensor<Int32Array> => ({
  data: Int32Array.from(data),
  shape,
});

/** The same value, its sizes written as `dims` in the program. */
export const withDims = <D extends Float64Array | Int32Array>(tensor: Tensor<D>, dims: Shape): Tensor<D> => ({
  ...tensor,
  dims,
});

/** Numbers that are the same in every run. */
export class Random {
  private drawn = 0;

  constructor(private readonly seed: number) {}

  /** A number in (0, 1). */
  next(): number {
    const [word] = philox([this.seed, 0], [this.drawn++, 0, 0, 0]);
    return (word + 0.5) / 2 ** 32;
  }

  normal(...shape: number[]): Tensor<Float64Array> {
    return this.fill(shape, () => Math.sqrt(-2 * Math.log(this.next())) * Math.cos(2 * Math.PI * this.next()));
  }

  uniform(low: number, high: number, ...shape: number[]): Tensor<Float64Array> {
    return this.fill(shape, () => low + (high - low) * this.next());
  }

  /** Integers from 0 up to but not including `below`. */
  integers(below: number, ...shape: number[]): Tensor<Int32Array> {
    const { data } = this.fill(shape, () => Math.floor(below * this.next()));
    return integers(shape, data);
  }

  private fill(shape: readonly number[], draw: () => number): Tensor<Float64Array> {
    const size = shape.reduce((product, dim) => product * dim, 1);
    return floats(shape, Array.from({ length: size }, draw));
  }
}
