/** What a model keeps of the data that it was trained on, so that its file alone reads new data and says what comes out. */
import { CheckpointError, DataError, OptionError } from '../errors';
import { Labels } from '../data/labels';
import { SeriesFormat } from '../data/series/format';
import { Vocabulary } from '../data/vocabulary';
import { Embedding } from '../nn/embedding';
import type { Layer } from '../nn/layer';
import { describe } from '../options';

interface Keepsake<K> {
  equals(other: K): boolean;
  toJSON(): unknown;
}

/** A kind of keepsake; data and models carry it under its name in `kinds`, a model file as JSON. */
interface Kind<K extends Keepsake<K>> {
  fromJSON(json: unknown): K;
  /** Why data with another are refused, and what to do. */
  readonly refusal: string;
  /** Throws where a model in a file cannot go with its keepsake. */
  check?(value: K, firstLayer: Layer | null): void;
}

const kind = <K extends Keepsake<K>>(kind: Kind<K>): Kind<K> => kind;

const kinds = {
  vocabulary: kind<Vocabulary>({
    fromJSON: (json) => Vocabulary.fromJSON(json),
    refusal:
      'the text has another vocabulary than the model, so its tokens mean other characters; ' +
      'read it with { vocabulary: model.vocabulary }, or set model.vocabulary = null to begin with new ones',
    check: checkEmbedding,
  }),
  series: kind<SeriesFormat>({
    fromJSON: (json) => SeriesFormat.fromJSON(json),
    refusal:
      'the series have other columns, scaling or windows than those of the model, so their numbers mean other units; ' +
      'read them with { format: model.series }, or set model.series = null to begin with new ones',
  }),
  labels: kind<Labels>({
    fromJSON: (json) => Labels.fromJSON(json),
    refusal:
      'the data have other labels than the model, so their indices mean other classes; ' +
      'read them with { labels: model.labels }, or set model.labels = null to begin with new ones',
  }),
};

type Kinds = typeof kinds;
type Name = keyof Kinds;

/** What a model has of each kind; null until data bring it. */
export type Keepsakes = { [N in Name]: ReturnType<Kinds[N]['fromJSON']> | null };
/** What data bring. */
export type Brought = { readonly [N in Name]?: Keepsakes[N] };
export type KeepsakesJson = Partial<Record<Name, unknown>>;

const kindNames = Object.keys(kinds) as Name[];
/** As TypeScript cannot tell that a name's kind and its values belong together. */
const kindOf = (name: Name) => kinds[name] as unknown as Kind<Keepsake<unknown>>;

/** Throws unless what several sources bring is what the model keeps, or, where it keeps none yet, is the same in all. */
export function checkKeepsakes(owner: string, model: Brought, ...sources: readonly (Brought | undefined)[]): void {
  for (const name of kindNames) {
    let kept = expectKeepsake(owner, name, model[name]);
    for (const source of sources) {
      const brought = expectKeepsake(owner, name, source?.[name]);
      if (kept && brought && !kept.equals(brought)) throw new DataError(`${owner}: ${kindOf(name).refusal}`);
      kept ??= brought ?? null;
    }
  }
}

/** By shape and not by class: it may come from another copy of this package. */
function expectKeepsake(
  owner: string,
  name: Name,
  value: unknown,
  method: keyof Keepsake<unknown> = 'equals',
): Keepsake<unknown> | null {
  if (value === null || value === undefined) return null;
  if (typeof (value as Partial<Keepsake<unknown>>)[method] === 'function') return value as Keepsake<unknown>;
  throw new OptionError(
    `${owner}: model.${name}: expected null, or what a model that was trained or loaded has there, received ${describe(value)}`,
  );
}

/** What these data bring now, apart from the data: they may be large. */
export const keepsakesOf = (data: Brought | null | undefined): Brought =>
  Object.fromEntries(kindNames.flatMap((name) => (data?.[name] ? [[name, data[name]]] : [])));

/** Gives the model what it lacks. */
export function keep(model: Keepsakes, brought: Brought): void {
  Object.assign(model, withBrought(model, brought));
}

/** What a model that is given `brought` keeps. */
export const withBrought = (model: Keepsakes, brought: Brought): Keepsakes =>
  Object.fromEntries(kindNames.map((name) => [name, model[name] ?? brought[name] ?? null])) as unknown as Keepsakes;

export const keepsakesToJSON = (model: Keepsakes): KeepsakesJson =>
  Object.fromEntries(
    kindNames.flatMap((name) => {
      const kept = expectKeepsake('save', name, model[name], 'toJSON');
      return kept ? [[name, kept.toJSON()]] : [];
    }),
  );

/** @throws DataError for JSON that is none of its kind, CheckpointError for what does not go with the model. */
export function keepsakesFromJSON(json: KeepsakesJson, firstLayer: Layer | null): Brought {
  const present = kindNames.filter((name) => json[name] !== undefined);
  return Object.fromEntries(
    present.map((name) => {
      const value = kindOf(name).fromJSON(json[name]);
      kindOf(name).check?.(value, firstLayer);
      return [name, value];
    }),
  );
}

/** Where the model begins with an embedding, each character needs its row there. */
function checkEmbedding(vocabulary: Vocabulary, first: Layer | null): void {
  if (first instanceof Embedding && vocabulary.size > first.vocabularySize) {
    throw new CheckpointError(
      `vocabulary: expected at most ${first.vocabularySize} characters, the rows of the embedding, received ${vocabulary.size}`,
    );
  }
}
