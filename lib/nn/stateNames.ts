import { OptionError } from '../errors';
import { describe } from '../options';

/** What a cell carries from step to step: its name in the interface, and in the names of carried states. */
const shortNames = {
  hiddenState: 'h',
  cellState: 'c',
  gateState: 'g',
  normalizerState: 'n',
  stabilizerState: 'm',
} as const;
export type StateName = keyof typeof shortNames;

/** The name under which a layer carries a state. */
export const stateName = (name: StateName, suffix: string): string => `${shortNames[name]}_${suffix}`;

/** The name of the parameter in which a layer begins. */
export const learnedStateName = (name: StateName, suffix: string): string => `${shortNames[name]}0_${suffix}`;

/** Throws where a layer is given the states of another cell, or of the same one with another option: one too many or too few. */
export function refuseForeignStates(kind: string, given: object, states: readonly StateName[]): void {
  if (typeof given !== 'object') {
    throw new OptionError(`${kind}: initialState: expected { ${states.join(', ')} }, received ${describe(given)}`);
  }
  const foreign = (Object.keys(shortNames) as StateName[]).find((name) => name in given && !states.includes(name));
  if (foreign !== undefined) {
    throw new OptionError(
      `${kind}: initialState.${foreign}: this layer has no such state; it has ${states.join(', ')}`,
    );
  }
  const missing = states.find((name) => !(name in given));
  if (missing === undefined) return;
  throw new OptionError(`${kind}: initialState.${missing}: expected a Variable; this layer has ${states.join(', ')}`);
}
