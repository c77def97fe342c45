/** What records hold as inputs, read into one kind of arrays. */
import { DataError } from '../../errors';
import { isInt32, tagOf } from '../../arrays';
import { describe } from '../../options';
import type { Vocabulary } from '../vocabulary';
import { WordVocabulary } from '../vocabularies/words';

/**
 * One sequence: a step for each character of a string, or for each string, number, or array of numbers of an array; an Int32Array holds
 * tokens, other typed arrays numbers, `features` for each step.
 */
export type SequenceInput =
  | string
  | readonly string[]
  | readonly number[]
  | readonly (readonly number[])[]
  | Int32Array
  | Float32Array
  | Float64Array;

/** [T·F] numbers or [T] tokens. */
export interface ReadInput {
  readonly data: Float32Array | Int32Array;
  readonly steps: number;
}

type Kind = 'a string' | 'an array of strings' | 'tokens' | 'numbers';
/** Before there is a vocabulary. */
type Raw = { readonly kind: Kind; readonly value: string | readonly string[] | Int32Array | Float32Array } | null;

export interface InputOptions {
  /** Numbers for each step of arrays that do not tell. */
  readonly features: number;
  /** Of strings; null for one of what there is. */
  readonly vocabulary: Vocabulary | null;
}

/** Reads inputs one by one; all must be of one kind, and as wide. What is empty may stand for an empty sequence of any kind. */
export class InputReader {
  private readonly raw: Raw[] = [];
  private kind: Kind | null = null;
  /** Numbers for each step, once it is known. */
  private width: number | null = null;

  constructor(
    private readonly owner: string,
    private readonly options: InputOptions,
  ) {}

  /** @throws DataError naming the place. */
  add(value: unknown, place: string): void {
    const kind = kindOf(value);
    if (kind === 'empty') this.raw.push(null);
    else if (kind === null) throw this.error(place, 'a string, an array or a typed array', describe(value));
    else {
      this.kind ??= kind;
      if (kind !== this.kind) throw this.error(place, `${this.kind} as before`, kind);
      const read = kind === 'numbers' ? this.numbers(value as readonly number[], place) : (value as string);
      if (kind === 'tokens') this.checkTokens(value as Int32Array, place);
      this.raw.push({ kind, value: read });
    }
  }

  /** Whether they are strings, which a vocabulary reads. */
  get isText(): boolean {
    return this.kind === 'a string' || this.kind === 'an array of strings';
  }

  /** All of them. `fitted` are the ones whose words make a vocabulary where none is given. */
  finish(
    fitted: readonly number[] | null,
    unknown: { readonly unknown: boolean; readonly minCount: number },
  ): {
    readonly inputs: readonly ReadInput[];
    readonly vocabulary: Vocabulary | null;
    readonly features: number | null;
  } {
    const { isText } = this;
    const words = (raw: Raw): readonly string[] => (raw ? [...(raw.value as string | readonly string[])] : []);
    const chosen = fitted ? fitted.map((index) => this.raw[index]!) : this.raw;
    const vocabulary = isText ? (this.options.vocabulary ?? WordVocabulary.of(chosen.flatMap(words), unknown)) : null;
    const features = this.kind === 'numbers' ? this.width : null;
    const inputs = this.raw.map((raw, index): ReadInput => {
      if (!raw) return { data: features === null ? new Int32Array(0) : new Float32Array(0), steps: 0 };
      const data = vocabulary
        ? this.encode(vocabulary, raw.value as string, `record ${index}`)
        : (raw.value as Int32Array);
      return { data, steps: data.length / (features ?? 1) };
    });
    return { inputs, vocabulary, features };
  }

  private encode(vocabulary: Vocabulary, value: string | readonly string[], place: string): Int32Array {
    try {
      if (typeof value === 'string') return vocabulary.encode(value);
      if (vocabulary instanceof WordVocabulary) return vocabulary.encodeAll(value);
    } catch (cause) {
      throw new DataError(`${this.owner}: ${place}: inputs: ${(cause as Error).message}`, { cause });
    }
    throw this.error(place, 'a string, as the vocabulary is not one of words', 'an array of strings');
  }

  private numbers(
    value: readonly number[] | readonly (readonly number[])[] | Float32Array,
    place: string,
  ): Float32Array {
    const isNested = Array.isArray(value[0]) || ArrayBuffer.isView(value[0]);
    const width = isNested ? (value[0] as readonly number[]).length : this.options.features;
    this.width ??= width;
    if (width !== this.width || width === 0)
      throw this.error(place, `${this.width || 1} numbers for each step`, `${width}`);
    if (!isNested && value.length % width !== 0)
      throw this.error(place, `a multiple of ${width} numbers`, `${value.length}`);
    const data = new Float32Array(isNested ? value.length * width : value.length);
    for (let index = 0; index < data.length; index++) {
      const step = Math.floor(index / width);
      const row = (isNested ? value[step] : null) as readonly number[] | null;
      if (row && row.length !== width)
        throw this.error(place, `${width} numbers for each step`, `${row.length ?? describe(row)} at step ${step}`);
      const number = row ? row[index % width] : value[index];
      if (typeof number !== 'number' || !Number.isFinite(Math.fround(number)))
        throw this.error(place, 'finite numbers', `${describe(number)} at step ${step}, feature ${index % width}`);
      data[index] = number;
    }
    return data;
  }

  private checkTokens(tokens: Int32Array, place: string): void {
    const step = tokens.findIndex((token) => token < 0);
    if (step >= 0) throw this.error(place, 'tokens of 0 or more', `${tokens[step]} at step ${step}`);
  }

  private error(place: string, expected: string, received: string): DataError {
    return new DataError(`${this.owner}: ${place}: inputs: expected ${expected}, received ${received}`);
  }
}

function kindOf(value: unknown): Kind | 'empty' | null {
  if (typeof value === 'string') return value === '' ? 'empty' : 'a string';
  if (isInt32(value)) return value.length === 0 ? 'empty' : 'tokens';
  if (['Float32Array', 'Float64Array'].includes(tagOf(value)))
    return (value as Float32Array).length === 0 ? 'empty' : 'numbers';
  if (!Array.isArray(value)) return null;
  if (value.length === 0) return 'empty';
  return value.every((element) => typeof element === 'string') ? 'an array of strings' : 'numbers';
}
