/** UTF-8 without strings: checking, counting and decoding of bytes as they come from a disk. */

/** Above every code point. */
export const codePoints = 0x110000;

/** The length of the code point that begins with this byte; 0 for a byte that begins none. */
const lengthOf = (lead: number): number =>
  lead < 0x80 ? 1 : lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;

/** Where the last whole code point ends: what follows is the beginning of one whose rest is yet to come. */
export function wholeEnd(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back]!;
    if (byte >= 0xc0) return lengthOf(byte) > back ? bytes.length - back : bytes.length;
    if (byte < 0x80) break;
  }
  return bytes.length;
}

/** The least and the greatest second byte: what is outside is too long, half of a pair, or beyond Unicode (RFC 3629). */
function secondIsValid(lead: number, second: number): boolean {
  const low = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
  const high = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
  return second >= low && second <= high;
}

const isContinuation = (byte: number) => (byte & 0xc0) === 0x80;

/** The code point of `length` bytes from `at` on, or -1 when they are none. */
function codePointAt(bytes: Uint8Array, at: number, length: number): number {
  const lead = bytes[at]!;
  if (length === 1) return lead;
  const second = bytes[at + 1]!;
  if (length === 0 || at + length > bytes.length || !secondIsValid(lead, second)) return -1;
  if (length === 2) return ((lead & 0x1f) << 6) | (second & 0x3f);
  const third = bytes[at + 2]!;
  if (!isContinuation(third)) return -1;
  if (length === 3) return ((lead & 0x0f) << 12) | ((second & 0x3f) << 6) | (third & 0x3f);
  const fourth = bytes[at + 3]!;
  if (!isContinuation(fourth)) return -1;
  return ((lead & 0x07) << 18) | ((second & 0x3f) << 12) | ((third & 0x3f) << 6) | (fourth & 0x3f);
}

/**
 * Calls `visit` with the code point and place of each one that `seen` does not have yet, and with every `interval`-th that is counted
 * from `counted` on, calls `mark`. Returns how many there are. @throws the place of the first byte that is no UTF-8, as `InvalidUtf8`.
 */
export function scan(
  bytes: Uint8Array,
  counted: number,
  seen: Uint8Array,
  interval: number,
  visit: (codePoint: number, at: number) => void,
  mark: (at: number) => void,
): number {
  let count = counted;
  let untilMark = (interval - (counted % interval)) % interval;
  for (let at = 0; at < bytes.length;) {
    const lead = bytes[at]!;
    const length = lead < 0x80 ? 1 : lengthOf(lead);
    const code = lead < 0x80 ? lead : codePointAt(bytes, at, length);
    if (code < 0) throw new InvalidUtf8(at);
    if (untilMark-- === 0) {
      mark(at);
      untilMark = interval - 1;
    }
    if (seen[code] === 0) {
      seen[code] = 1;
      visit(code, at);
    }
    count++;
    at += length;
  }
  return count - counted;
}

export class InvalidUtf8 extends Error {
  constructor(readonly at: number) {
    super(`no UTF-8 at byte ${at}`);
  }
}

/**
 * Writes tokens of up to `count` code points from byte `at` on to `into`, from `offset` on. Returns how many there were and the byte
 * after them. @throws InvalidUtf8 also for a code point that has no token.
 */
export function decodeTokens(
  bytes: Uint8Array,
  at: number,
  tokens: Int32Array,
  into: Int32Array,
  offset: number,
  count: number,
): { readonly taken: number; readonly at: number } {
  let taken = 0;
  while (taken < count && at < bytes.length) {
    const lead = bytes[at]!;
    const length = lead < 0x80 ? 1 : lengthOf(lead);
    const code = lead < 0x80 ? lead : codePointAt(bytes, at, length);
    const token = code < 0 ? -1 : tokens[code]!;
    if (token < 0) throw new InvalidUtf8(at);
    into[offset + taken++] = token;
    at += length;
  }
  return { taken, at };
}
