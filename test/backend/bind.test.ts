import { DataError, ShapeError } from '../../lib';
import { bindInputs } from '../../lib/backend/bind';
import { tanh } from '../../lib/ops/elementwise/activations';
import { float32, int32 } from '../../lib/ops/op';
import { ProgramBuilder } from '../../lib/program/builder';
import { floats32, ints } from '../support/models';

const builder = new ProgramBuilder();
const x = builder.input('x', float32('B', 'T', 2));
const tokens = builder.input('tokens', int32('B'));
const lengths = builder.input('lengths', int32('B'));
builder.requireRange(tokens, { below: 5, except: -100 });
builder.requireRange(lengths, { below: 'T', inclusive: true });
builder.output('y', builder.emit(tanh, { x }, {}).y);
const program = builder.finish();
const capacities = { T: 4, B: 3, S: 1 };

const sound = { x: floats32(new Float32Array(12), [2, 3, 2]), tokens: ints([0, 4]), lengths: ints([0, 3]) };
const bind = (change: object) => bindInputs(program, capacities, { ...sound, ...change });

test('run-time sizes follow from the arrays; those that no array tells are the capacities', () => {
  expect(bind({}).counts).toEqual({ T: 3, B: 2, S: 1 });
});

test('the exception of a range is allowed', () => {
  expect(() => bind({ tokens: ints([-100, 1]) })).not.toThrow();
});

test('arrays are taken in the order of the inputs, whatever that of the record', () => {
  const { lengths, tokens, x } = sound;
  expect(bindInputs(program, capacities, { lengths, tokens, x }).arrays).toEqual([x, tokens, lengths]);
});

test('a view anywhere in its buffer is taken', () => {
  const buffer = new ArrayBuffer(64);
  const view = new Float32Array(buffer, 12, 12).fill(3);
  expect(bind({ x: { data: view, shape: [2, 3, 2] } }).arrays[0]!.data).toBe(view);
});

test.each<[string, object, string, typeof DataError | typeof ShapeError]>([
  ['an unknown input', { z: sound.x }, 'z: the program has no such input; it has x, tokens, lengths', DataError],
  ['a missing input', { x: undefined }, 'x: expected an array of shape [B, T, 2], received none', DataError],
  ['another rank', { x: floats32([1, 2], [1, 2]) }, 'x: expected [B, T, 2], received [1, 2]', ShapeError],
  [
    'another size',
    { x: floats32(new Float32Array(9), [1, 3, 3]) },
    'x: expected [B, T, 2] with B = 1, T = 3, received [1, 3, 3]',
    ShapeError,
  ],
  ['sizes that disagree', { tokens: ints([0, 1, 2]) }, 'tokens: expected [B] with B = 2, received [3]', ShapeError],
  ['fewer elements than the shape says', { x: floats32([1], [2, 3, 2]) }, 'x: expected 12 elements', ShapeError],
  ['an empty batch', { x: floats32([], [0, 3, 2]) }, 'x: expected at least 1 for axis 0 (B: rows', DataError],
  ['zero steps', { x: floats32([], [2, 0, 2]) }, 'x: expected at least 1 for axis 1 (T: steps)', DataError],
  ['more than the capacity', { x: floats32(new Float32Array(20), [2, 5, 2]) }, 'T: expected at most 4', ShapeError],
  ['a shape of fractions', { x: floats32([1], [0.5, 1, 2]) }, 'x: expected a shape of whole numbers', ShapeError],
  ['no shape at all', { x: { data: new Float32Array(2) } }, 'x: expected a shape of whole numbers', ShapeError],
  ['integers as floats', { tokens: floats32([0, 1]) }, 'tokens: expected Int32Array data, received Float32', DataError],
  [
    'floats as integers',
    { x: ints(new Array(12).fill(0) as number[], [2, 3, 2]) },
    'x: expected Float32Array or',
    DataError,
  ],
  ['bytes', { x: { data: new Uint8Array(12), shape: [2, 3, 2] } }, 'received Uint8Array', DataError],
  [
    'a plain array',
    { tokens: { data: [0, 1], shape: [2] } },
    'tokens: expected Int32Array data, received Array',
    DataError,
  ],
  [
    'a token out of range',
    { tokens: ints([0, 5]) },
    'tokens: expected integers in 0..4 or -100, received 5 at index 1',
    DataError,
  ],
  ['a negative token', { tokens: ints([-1, 0]) }, 'received -1 at index 0', DataError],
  [
    'a length beyond the steps',
    { lengths: ints([1, 4]) },
    'lengths: expected integers in 0..3, received 4 at index 1',
    DataError,
  ],
  ['a NaN', { x: floats32([...new Array<number>(11).fill(1), NaN], [2, 3, 2]) }, 'received NaN at index 11', DataError],
  [
    'what is infinite in float32',
    { x: { data: Float64Array.from([0, 1e39, ...new Array<number>(10).fill(1)]), shape: [2, 3, 2] } },
    'received 1e+39 at index 1',
    DataError,
  ],
  [
    'an infinity',
    { x: floats32([-Infinity, ...new Array<number>(11).fill(1)], [2, 3, 2]) },
    'received -Infinity at index 0',
    DataError,
  ],
])('%s is refused', (_, change, message, kind) => {
  expect(() => bind(change)).toThrow(kind);
  expect(() => bind(change)).toThrow(message);
});

test('a detached buffer is refused, and suspected', () => {
  const data = new Float32Array(12);
  structuredClone(data.buffer, { transfer: [data.buffer] });
  expect(() => bind({ x: { data, shape: [2, 3, 2] } })).toThrow('received 0 (is its buffer detached?)');
});
