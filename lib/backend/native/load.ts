/** Finds the addon, and refuses one that does not fit these sources. */
import { join } from 'node:path';
import loadBinary from 'node-gyp-build';
import { BackendError } from '../../errors';
import type { Op, Slot, Slots } from '../../ops/op';
import { ops, type OpName } from '../../ops/registry';
import { addonInterface, type Addon, type AddonDescription, type OpDescription, type SlotDescription } from './addon';

export interface LoadedAddon {
  readonly addon: Addon;
  readonly description: AddonDescription;
  readonly opcodes: ReadonlyMap<OpName, number>;
}

let loaded: LoadedAddon | null = null;

/** The addon, loaded at the first call. Throws BackendError, at each call, when it cannot be used. */
export function loadAddon(): LoadedAddon {
  return (loaded ??= checkAddon(findAddon()));
}

function findAddon(): Addon {
  try {
    return loadBinary(join(__dirname, '..', '..', '..')) as Addon;
  } catch (cause) {
    throw new BackendError(
      `the native addon could not be loaded for ${process.platform}-${process.arch}: ${(cause as Error).message}; ` +
        'in a clone of the repository, build it with "npm run build:gyp"',
      { cause },
    );
  }
}

function checkAddon(addon: Addon): LoadedAddon {
  if (addon.interface !== addonInterface) {
    throw new BackendError(
      `the native addon is from another version (interface ${addon.interface}, expected ${addonInterface}); ` +
        'build it again with "npm run build:gyp"',
    );
  }
  checkThreads(process.env.LSTM_NATIVE_THREADS);
  const description = addon.describe();
  if (description.isaError) throw new BackendError(description.isaError);
  return { addon, description, opcodes: assignOpcodes(description.ops) };
}

function checkThreads(wish: string | undefined): void {
  if (wish === undefined || (/^\d{1,3}$/.test(wish) && Number(wish) >= 1 && Number(wish) <= 256)) return;
  throw new BackendError(`LSTM_NATIVE_THREADS: expected a number from 1 to 256, received '${wish}'`);
}

/** Opcodes by name. Throws a BackendError that names the op and the slot where the two sides differ. */
export function assignOpcodes(described: readonly OpDescription[]): ReadonlyMap<OpName, number> {
  const differ = (what: string) =>
    new BackendError(`the native addon does not fit these sources: ${what}; build it again with "npm run build:gyp"`);
  for (const { name } of described) if (!(name in ops)) throw differ(`it has an unknown op '${name}'`);
  const names = Object.keys(ops) as OpName[];
  return new Map(
    names.map((name) => {
      const opcode = described.findIndex((op) => op.name === name);
      const native = described[opcode];
      if (!native) throw differ(`it has no op '${name}'`);
      const difference = firstDifference(ops[name], native);
      if (difference) throw differ(`${name}: ${difference}`);
      return [name, opcode];
    }),
  );
}

function firstDifference(op: Op, native: OpDescription): string | null {
  const attributes = Object.entries(op.attributes).filter(([, kind]) => kind !== 'shape');
  const lists = [
    ['operand', slotTexts(op.operands), native.operands.map(slotText)],
    ['output', slotTexts(op.outputs), native.outputs.map(slotText)],
    ['attribute', attributes.map(([name, kind]) => `${name}: ${kind}`), native.attributes.map(attributeText)],
  ] as const;
  for (const [kind, expected, received] of lists) {
    for (let index = 0; index < Math.max(expected.length, received.length); index++) {
      if (expected[index] === received[index]) continue;
      return `${kind} ${index}: expected ${expected[index] ?? 'none'}, it has ${received[index] ?? 'none'}`;
    }
  }
  return null;
}

const attributeText = ({ name, kind }: { name: string; kind: string }) => `${name}: ${kind}`;
const slotText = ({ name, dtype, arity, inPlace }: SlotDescription) =>
  `${name}: ${dtype}, ${arity}${inPlace === undefined ? '' : `, in place of ${inPlace}`}`;
const slotTexts = (slots: Slots) =>
  Object.entries(slots).map(([name, slot]: [string, Slot]) => slotText({ name, ...slot }));
