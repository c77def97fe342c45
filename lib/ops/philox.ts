/** Philox4x32-10 (Salmon, Moraes, Dror & Shaw 2011): four random words for a counter and a key, with no state. */
export type Words4 = readonly [number, number, number, number];
export type Words2 = readonly [number, number];

const multipliers: Words2 = [0xd2511f53 | 0, 0xcd9e8d57 | 0];
/** The golden ratio and √3 - 1, which the key grows by from round to round. */
const keyIncrements: Words2 = [0x9e3779b9 | 0, 0xbb67ae85 | 0];
const rounds = 10;

/** The upper 32 bits of a product of two 32-bit words, signed; in halves, since no number holds 64 bits. */
function multiplyHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  // Unsigned, neither sum reaches 2^32.
  const middle = (Math.imul(aHigh, bLow) + (Math.imul(aLow, bLow) >>> 16)) | 0;
  const carried = (Math.imul(aLow, bHigh) + (middle & 0xffff)) | 0;
  return (Math.imul(aHigh, bHigh) + (middle >>> 16) + (carried >>> 16)) | 0;
}

/** Words are unsigned 32-bit integers. */
export function philox(key: Words2, counter: Words4): Words4 {
  const words = new Uint32Array(4);
  philoxInto(words, key, ...counter);
  return [words[0]!, words[1]!, words[2]!, words[3]!];
}

/**
 * As `philox`, into `words`: millions of draws in a row leave no garbage. The rounds keep to signed words, and take the
 * key by index: before it optimizes, V8 puts a word above 2^31 into an object, and makes an iterator to take a list apart.
 */
export function philoxInto(words: Uint32Array, key: Words2, c0: number, c1: number, c2: number, c3: number): void {
  let k0 = key[0] | 0;
  let k1 = key[1] | 0;
  for (let round = 0; round < rounds; round++) {
    const high0 = multiplyHigh(multipliers[0], c0);
    const low0 = Math.imul(multipliers[0], c0);
    const high1 = multiplyHigh(multipliers[1], c2);
    const low1 = Math.imul(multipliers[1], c2);
    c0 = high1 ^ c1 ^ k0;
    c1 = low1;
    c2 = high0 ^ c3 ^ k1;
    c3 = low0;
    k0 = (k0 + keyIncrements[0]) | 0;
    k1 = (k1 + keyIncrements[1]) | 0;
  }
  words[0] = c0;
  words[1] = c1;
  words[2] = c2;
  words[3] = c3;
}

/** FNV-1a over UTF-16 code units: 32 bits of a text, for a key or a counter. */
export function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  return hash >>> 0;
}
