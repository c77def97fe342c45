import { DataError } from '../errors';
import { describe } from '../options';
import { stringsOf } from './strings';

/** What `Labels.toJSON` gives and a model file keeps. */
export interface LabelsJson {
  /** In the order of their indices. */
  readonly names: readonly string[];
}

/**
 * The names of classes and the indices 0..size-1 that stand for them.
 *
 * @example
 * const labels = Labels.of(['verb', 'noun', 'verb']);
 * labels.encode('verb'); // 1
 * labels.name(0); // 'noun'
 */
export class Labels {
  private readonly indices: ReadonlyMap<string, number>;

  private constructor(readonly names: readonly string[]) {
    this.indices = new Map(names.map((name, index) => [name, index]));
  }

  /** The distinct names among `names`, in alphabetical order (of UTF-16 units). @throws DataError unless they are strings. */
  static of(names: Iterable<string>): Labels {
    return new Labels([...new Set(stringsOf('labels', names))].sort());
  }

  /** @throws DataError unless `json` is what `toJSON` gave. */
  static fromJSON(json: unknown): Labels {
    const names = (json as Partial<LabelsJson> | null | undefined)?.names;
    const valid =
      Array.isArray(names) && names.every((name) => typeof name === 'string') && new Set(names).size === names.length;
    if (!valid) throw new DataError('labels: expected { names: [...] }, distinct strings');
    return new Labels([...names]);
  }

  get size(): number {
    return this.names.length;
  }

  /** Whether every index stands for the same name. */
  equals(other: Labels): boolean {
    return this.size === other.size && this.names.every((name, index) => name === other.names[index]);
  }

  /** @throws DataError for a name that is none of them. */
  encode(name: string): number {
    const index = this.indices.get(name);
    if (index !== undefined) return index;
    throw new DataError(`labels: expected one of ${this.names.map(describe).join(', ')}, received ${describe(name)}`);
  }

  /** @throws DataError for an index out of range. */
  name(index: number): string {
    const name = this.names[index];
    if (name !== undefined) return name;
    throw new DataError(`labels: expected an integer in 0..${this.size - 1}, received ${index}`);
  }

  toJSON(): LabelsJson {
    return { names: this.names };
  }
}
