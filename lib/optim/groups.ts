/** Parameter groups: which parameters have a learning rate and a weight decay of their own. */
import { float32Limit, tagOf } from '../arrays';
import { OptionError } from '../errors';
import { checkOptions, describe, inRange } from '../options';
import { describeSchedule, rateAt, scheduleOf, type Json, type Schedule, type SchedulePoint } from './schedule';

/** A parameter's path, such as `1.bias_ih_l0`, and its shape. */
export interface ParameterPlace {
  readonly path: string;
  readonly shape: readonly number[];
}

export interface ParameterGroup {
  /**
   * Which parameters: a regular expression that is found in their path, a path and all below it (as for `freeze`), or a
   * function of `{ path, shape }`. A parameter belongs to the first group that matches it. One that matches no parameter
   * of the model is an error.
   */
  readonly match: RegExp | string | ((parameter: ParameterPlace) => boolean);
  /** Default: the optimizer's. */
  readonly lr?: number | Schedule;
  /** Times the optimizer's rate, whatever its schedule says; not together with `lr`. Default 1. */
  readonly lrFactor?: number;
  /** Default: the optimizer's. */
  readonly weightDecay?: number;
}

/** What every optimizer takes. */
export interface GroupedOptions {
  readonly lr?: number | Schedule;
  readonly weightDecay?: number;
  /** Parameters with a rate or decay of their own, the first match counting: `[{ match: /bias/, weightDecay: 0 }]`. Default none. */
  readonly groups?: readonly ParameterGroup[];
}

/** A group as updates see it. The first of an optimizer holds what no other matches. */
export interface Group {
  /** For messages, such as `groups[0]: match: /bias/`. */
  readonly label: string;
  readonly learningRate: Schedule;
  readonly weightDecay: number;
  matches(parameter: ParameterPlace): boolean;
}

/** The groups of an optimizer: that of all parameters, then its own. */
export function groupsOf(
  owner: string,
  { lr, weightDecay, groups = [] }: GroupedOptions & { lr: number | Schedule; weightDecay: number },
): readonly Group[] {
  const learningRate = scheduleOf(lr);
  inRange(owner, 'weightDecay', weightDecay, 0, float32Limit);
  if (!Array.isArray(groups))
    throw new OptionError(
      `${owner}: groups: expected an array, [{ match: /bias/, weightDecay: 0 }], received ${describe(groups)}`,
    );
  const own = (groups as readonly ParameterGroup[]).map((group, index): Group => {
    const place = `${owner}: groups[${index}]`;
    checkOptions(place, group, ['match', 'lr', 'lrFactor', 'weightDecay']);
    const { lrFactor = 1 } = group;
    inRange(place, 'lrFactor', lrFactor, 0, float32Limit);
    inRange(place, 'weightDecay', group.weightDecay ?? weightDecay, 0, float32Limit);
    if (group.lr !== undefined && group.lrFactor !== undefined)
      throw new OptionError(`${place}: lrFactor: expected either lr or lrFactor, received both`);
    return {
      label: `groups[${index}]: match: ${describeMatch(group.match)}`,
      learningRate:
        group.lr === undefined ? (point) => learningRate(point) * lrFactor : scheduleOf(group.lr, `${place}: lr`),
      weightDecay: group.weightDecay ?? weightDecay,
      matches: matcher(place, group.match),
    };
  });
  return [{ label: 'all', learningRate, weightDecay, matches: () => true }, ...own];
}

/** Tags tell kinds: a regular expression may come from another realm. */
const isPattern = (match: unknown): match is RegExp => tagOf(match) === 'RegExp';

function matcher(place: string, match: ParameterGroup['match']): Group['matches'] {
  if (typeof match === 'function') return (parameter) => Boolean(match(parameter));
  if (typeof match === 'string') return ({ path }) => match === '' || path === match || path.startsWith(`${match}.`);
  // Unlike `test`, `search` does not go on from where a global pattern ended.
  if (isPattern(match)) return ({ path }) => path.search(match) >= 0;
  throw new OptionError(
    `${place}: match: expected a regular expression, a path or a function, received ${describe(match)}`,
  );
}

const describeMatch = (match: ParameterGroup['match']) => (isPattern(match) ? String(match) : describe(match));

/**
 * The number of each parameter's group, by path.
 *
 * @throws OptionError for a group that matches none of them.
 */
export function assignGroups(
  owner: string,
  groups: readonly Group[],
  parameters: readonly ParameterPlace[],
): ReadonlyMap<string, number> {
  const own = groups.slice(1);
  for (const group of own) {
    if (parameters.some((parameter) => group.matches(parameter))) continue;
    const paths = parameters.map(({ path }) => path);
    const shown = [...paths.slice(0, 8), ...(paths.length > 8 ? ['...'] : [])].join(', ');
    throw new OptionError(`${owner}: ${group.label} matches no parameter; there are ${shown}`);
  }
  return new Map(
    parameters.map((parameter) => [parameter.path, 1 + own.findIndex((group) => group.matches(parameter))]),
  );
}

/** The learning rate of each group at a point of the training. @throws OptionError unless schedules give rates. */
export const ratesAt = (groups: readonly Group[], point: SchedulePoint): number[] =>
  groups.map(({ label, learningRate }, index) => rateAt(learningRate, point, index === 0 ? 'lr' : `${label}: lr`));

/** What tells options of groups apart, as plain JSON. */
export const groupSettings = ({ lr, weightDecay, groups = [] }: GroupedOptions): Readonly<Record<string, Json>> => ({
  lr: describeSchedule(lr),
  weightDecay: weightDecay ?? null,
  groups: groups.map((group) => ({
    match: describeMatch(group.match),
    lr: describeSchedule(group.lr),
    lrFactor: group.lrFactor ?? null,
    weightDecay: group.weightDecay ?? null,
  })),
});
