/** Philox4x32-10 (Salmon, Moraes, Dror & Shaw 2011): four random words for a counter and a key, with no state. */
export type Words4 = readonly [number, number, number, number];
export type Words2 = readonly [number, number];

const multipliers: Words2 = [0xd2511f53, 0xcd9e8d57];
/** The golden ratio and √3 - 1, which the key grows by from round to round. */
const keyIncrements: Words2 = [0x9e3779b9, 0xbb67ae85];
const rounds = 10;

/** The upper 32 bits of a product of two 32-bit words, in halves because a double holds 53 bits exactly. */
function multiplyHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const middle = aHigh * bLow + Math.floor((aLow * bLow) / 0x10000);
  const carried = aLow * bHigh + (middle % 0x10000);
  return (aHigh * bHigh + Math.floor(middle / 0x10000) + Math.floor(carried / 0x10000)) >>> 0;
}

/** Words are unsigned 32-bit integers. */
export function philox(key: Words2, counter: Words4): Words4 {
  let [c0, c1, c2, c3] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < rounds; round++) {
    const high0 = multiplyHigh(multipliers[0], c0);
    const low0 = Math.imul(multipliers[0], c0) >>> 0;
    const high1 = multiplyHigh(multipliers[1], c2);
    const low1 = Math.imul(multipliers[1], c2) >>> 0;
    [c0, c1, c2, c3] = [(high1 ^ c1 ^ k0) >>> 0, low1, (high0 ^ c3 ^ k1) >>> 0, low0];
    k0 = (k0 + keyIncrements[0]) >>> 0;
    k1 = (k1 + keyIncrements[1]) >>> 0;
  }
  return [c0, c1, c2, c3];
}

/** FNV-1a over UTF-16 code units: 32 bits of a text, for a key or a counter. */
export function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  return hash >>> 0;
}
