/** States that a layer is given to begin with: those of another cell are refused by name, within a program and between sessions. */
import {
  attentionLstm,
  DataError,
  gru,
  lstm,
  Module,
  OptionError,
  rnn,
  slstm,
  transpose,
  type Inputs,
  type Variable,
} from '../../lib';
import { noise } from '../support/models';

const H = 4;
const cells = {
  lstm: { make: () => lstm(H), states: ['hiddenState', 'cellState'] },
  'lstm with full gate recurrence': {
    make: () => lstm(H, { fullGateRecurrence: true }),
    states: ['hiddenState', 'cellState', 'gateState'],
  },
  gru: { make: () => gru(H), states: ['hiddenState'] },
  rnn: { make: () => rnn(H), states: ['hiddenState'] },
  slstm: { make: () => slstm(H), states: ['hiddenState', 'cellState', 'normalizerState', 'stabilizerState'] },
  attentionLstm: { make: () => attentionLstm(H), states: ['hiddenState', 'cellState'] },
} as const;
type CellName = keyof typeof cells;
const names = Object.keys(cells) as CellName[];
type Run = (x: Variable, options: object) => Readonly<Record<string, Variable>>;

/** Goes on with one cell where the other ended. */
class Handed extends Module {
  private readonly from;
  private readonly to;
  constructor(private readonly kinds: readonly [CellName, CellName]) {
    super({ backend: 'reference', seed: 1 });
    [this.from, this.to] = kinds.map((kind) => cells[kind].make() as unknown as Run) as [Run, Run];
  }
  override forward({ x }: Inputs<'x'>) {
    const run = (cell: Run, kind: CellName, options = {}) =>
      cell(x, kind === 'attentionLstm' ? { ...options, memory: transpose(x, [1, 0, 2]) } : options);
    const { output, ...states } = run(this.from, this.kinds[0]);
    return { output: run(this.to, this.kinds[1], { initialState: states }).output!, before: output! };
  }
}

const inputs = { x: noise(1, 2, 3, H) };
const handed = (from: CellName, to: CellName) => new Handed([from, to]).predict({ inputs });
const pairs = names.flatMap((from) => names.map((to) => [from, to] as const));
const isSame = ([from, to]: readonly [CellName, CellName]) => String(cells[from].states) === String(cells[to].states);

test.each(pairs.filter((pair) => !isSame(pair)))('those of a %s are refused by a %s', async (from, to) => {
  const [kind] = to.split(' ');
  const [given, own]: readonly (readonly string[])[] = [cells[from].states, cells[to].states];
  const foreign = given!.find((state) => !own!.includes(state));
  const missing = own!.find((state) => !given!.includes(state));
  const has = own!.join(', ');
  const message =
    foreign === undefined
      ? `${kind}: initialState.${missing}: expected a Variable; this layer has ${has}`
      : `${kind}: initialState.${foreign}: this layer has no such state; it has ${has}`;
  await expect(handed(from, to)).rejects.toThrow(OptionError);
  await expect(handed(from, to)).rejects.toThrow(message);
});

test.each(names)('those of a %s are taken up by another', async (name) => {
  const { output, before } = await handed(name, name);
  expect(output!.data).not.toEqual(before!.data);
});

test('one that forward did not receive is named as what is undefined', async () => {
  class Own extends Module {
    readonly encoder = lstm(H);
    override forward({ x, h0, c0 }: Inputs<'x' | 'h0' | 'c0'>) {
      return this.encoder(x, { initialState: { hiddenState: h0, cellState: c0 } }).output;
    }
  }
  const asked = new Own({ backend: 'reference' }).predict({ inputs });
  await expect(asked).rejects.toThrow(DataError);
  await expect(asked).rejects.toThrow('h0, c0: forward reads this input, and the batch holds x');
});
