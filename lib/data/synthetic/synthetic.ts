/** Tasks that papers use, made from a seed: the same numbers in every run, on every machine. */
import { addingProblem } from './addingProblem';
import { copyMemory } from './copyMemory';
import { mackeyGlass } from './mackeyGlass';
import { noisySines } from './noisySines';
import { embeddedReberGrammar, reberStrings, reberSymbols, reberTokens } from './reber';

export const synthetic = {
  addingProblem,
  copyMemory,
  embeddedReberGrammar,
  reberStrings,
  reberSymbols,
  reberTokens,
  mackeyGlass,
  noisySines,
} as const;
