import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { CheckpointError } from '../../lib/errors';
import { parse, serialize, serializeChunks } from '../../lib/checkpoint/safetensors';

/** A file with any header text and data, well formed or not. */
function file(header: string | Uint8Array, dataLength = 0, claimedLength?: bigint): Uint8Array {
  const json = typeof header === 'string' ? new TextEncoder().encode(header) : header;
  const bytes = new Uint8Array(8 + json.length + dataLength);
  new DataView(bytes.buffer).setBigUint64(0, claimedLength ?? BigInt(json.length), true);
  bytes.set(json, 8);
  return bytes;
}

const entry = (begin: number, end: number, shape = [(end - begin) / 4], dtype = 'F32') =>
  JSON.stringify({ dtype, shape, data_offsets: [begin, end] });

function fault(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    expect(error).toBeInstanceOf(CheckpointError);
    return (error as CheckpointError).message;
  }
  throw new Error('expected an error');
}

const tensorArbitrary = fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 3 }).chain((shape) => {
  const length = shape.reduce((product, size) => product * size, 1);
  const size = { minLength: length, maxLength: length };
  const data = fc.oneof(fc.float32Array(size), fc.float64Array(size), fc.int32Array(size));
  return data.map((elements) => ({ data: elements, shape }));
});
const name = fc.string({ unit: 'grapheme' }).filter((key) => key !== '__proto__' && key !== '__metadata__');

describe('a round trip through the format', () => {
  it('gives back every tensor and all metadata, bit by bit', () => {
    fc.assert(
      fc.property(
        fc.dictionary(name, tensorArbitrary, { noNullPrototype: true }),
        fc.dictionary(name, fc.string({ unit: 'grapheme' }), { noNullPrototype: true }),
        (tensors, metadata) => {
          const content = parse(serialize(tensors, metadata));
          expect(content.metadata).toEqual(metadata);
          expect(content.tensors.size).toBe(Object.keys(tensors).length);
          for (const [key, { data, shape }] of Object.entries(tensors)) {
            const read = content.tensors.get(key)!;
            expect(read.shape).toEqual(shape);
            expect(read.data[Symbol.toStringTag]).toBe(data[Symbol.toStringTag]);
            expect(Buffer.from(read.data.buffer)).toEqual(Buffer.from(data.buffer, data.byteOffset, data.byteLength));
          }
        },
      ),
      { numRuns: 200 },
    );
  });

  it('aligns the data to 8 bytes and puts wide elements first', () => {
    const bytes = serialize({ a: { data: Int32Array.of(1), shape: [1] }, b: { data: Float64Array.of(2), shape: [] } });
    const headerLength = Number(new DataView(bytes.buffer).getBigUint64(0, true));
    expect(headerLength % 8).toBe(0);
    expect(bytes[8]).toBe('{'.charCodeAt(0));
    expect([...parse(bytes).tensors.keys()]).toEqual(['b', 'a']);
  });

  it('writes views of the tensors instead of copies', () => {
    const data = new Float32Array(8).subarray(3, 5);
    const [, chunk] = serializeChunks({ a: { data, shape: [2] } });
    expect(chunk!.buffer).toBe(data.buffer);
    expect([chunk!.byteOffset, chunk!.byteLength]).toEqual([12, 8]);
  });

  it('reads a file that starts at an odd byte of its buffer, as copies', () => {
    const bytes = serialize({ a: { data: Float32Array.of(1, 2), shape: [2] } });
    const shifted = new Uint8Array(bytes.length + 3).subarray(3);
    shifted.set(bytes);
    const { data } = parse(shifted).tensors.get('a')!;
    shifted.fill(0);
    expect([...data]).toEqual([1, 2]);
  });

  it('reads a header with a string of a million escapes', () => {
    const long = '"'.repeat(1_000_000);
    expect(parse(serialize({}, { long })).metadata).toEqual({ long });
  });
});

describe('a file made by the Python library', () => {
  const { tensors, metadata } = parse(readFileSync(join(__dirname, 'fixtures/python.safetensors')));
  const elements = (key: string) => [...tensors.get(key)!.data];

  it('is read, half precision and 64-bit integers included', () => {
    expect(metadata).toEqual({ architecture: 'caffè ☕', quote: 'a "quoted" \\ value' });
    expect(tensors.get('weight')!.shape).toEqual([2, 3]);
    expect(elements('weight')).toEqual([0, 0.25, 0.5, 0.75, 1, 1.25]);
    expect(elements('moment')).toEqual([1e-300, -0.1]);
    expect(elements('tokens')).toEqual([-1, 2 ** 31 - 1]);
    expect(elements('steps')).toEqual([2 ** 53 - 1]);
    expect(elements('half')).toEqual([1, -2.5, 65504, 2 ** -24, 2 ** -14, Infinity, -Infinity]);
    expect(tensors.get('scalar')).toEqual({ dtype: 'F32', shape: [], data: Float32Array.of(7.5) });
    expect(tensors.get('empty')!.shape).toEqual([0, 4]);
  });
});

describe('16-bit floats', () => {
  it('are widened exactly, with signed zero and NaN', () => {
    const bytes = file(`{"h":${entry(0, 6, [3], 'F16')},"b":${entry(6, 14, [4], 'BF16')}}`, 14);
    const start = bytes.length - 14;
    const view = new DataView(bytes.buffer);
    [0x8000, 0x7e00, 0x03ff, 0x3f80, 0xc049, 0x0001, 0x7fc0].forEach((bits, index) => {
      view.setUint16(start + 2 * index, bits, true);
    });
    const { tensors } = parse(bytes);
    expect([...tensors.get('h')!.data]).toEqual([-0, NaN, 1023 * 2 ** -24]);
    expect([...tensors.get('b')!.data]).toEqual([1, -3.140625, 2 ** -133, NaN]);
  });
});

describe('parse refuses', () => {
  const cases: Record<string, [Uint8Array, RegExp]> = {
    'a file under 8 bytes': [new Uint8Array(7), /file: expected at least 8 bytes, received 7/],
    'a huge header': [
      file('{}', 0, 100_000_001n),
      /header: expected at most 100000000 bytes, the file claims 100000001/,
    ],
    'the largest header length': [file('{}', 0, 2n ** 64n - 1n), /expected at most 100000000 bytes/],
    'a header longer than the file': [file('{}', 0, 3n), /header: expected 3 bytes, received 2: the file is truncated/],
    'bad UTF-8': [file(Uint8Array.of(0x7b, 0xff, 0x7d)), /header: expected UTF-8/],
    'a byte order mark': [file('\ufeff{}'), /header: expected "{" as its first byte/],
    'a header that is no object': [file('[]'), /header: expected "{" as its first byte/],
    'bad JSON': [file('{"a":}'), /header: expected JSON/],
    'a key twice': [file(`{"a":${entry(0, 4)},"a":${entry(0, 4)}}`, 4), /expected each key once, received "a" twice/],
    'a key twice, once escaped': [file(`{"a":${entry(0, 4)},"\\u0061" :${entry(0, 4)}}`, 4), /received "a" twice/],
    'a metadata key twice': [file('{"__metadata__":{"k":"1","k":"2"}}'), /received "k" twice/],
    'a field twice': [file('{"a":{"dtype":"F32","dtype":"F32","shape":[0],"data_offsets":[0,0]}}'), /"dtype" twice/],
    '__proto__ as a tensor': [file(`{"__proto__":${entry(0, 4)}}`, 4), /the key "__proto__" is refused/],
    '__proto__ in metadata': [file('{"__metadata__":{"__proto__":"x"}}'), /the key "__proto__" is refused/],
    'metadata that is no string': [file('{"__metadata__":{"k":1}}'), /__metadata__: k: expected a string, received 1/],
    'metadata that is no object': [file('{"__metadata__":["k"]}'), /__metadata__: expected strings by name/],
    'an entry that is no object': [
      file('{"a":[]}'),
      /a: entry: expected \{ dtype, shape, data_offsets \}, received \[\]/,
    ],
    'a dtype that it does not know': [
      file(`{"a":${entry(0, 4, [4], 'U8')}}`, 4),
      /a: dtype: expected one of F32.*"U8"/,
    ],
    'a missing dtype': [file('{"a":{}}'), /a: dtype: .*received nothing/],
    'a negative size': [file(`{"a":${entry(0, 4, [-1])}}`, 4), /a: shape: expected a list of sizes, received \[-1\]/],
    'a fractional size': [file(`{"a":${entry(0, 4, [1.5])}}`, 4), /a: shape: expected a list of sizes/],
    'an overflowing size': [file(`{"a":${entry(0, 0, [2 ** 40, 2 ** 40, 0])}}`), /a: shape: expected a size in bytes/],
    'offsets that are no pair': [
      file('{"a":{"dtype":"F32","shape":[],"data_offsets":[0]}}'),
      /a: data_offsets: expected \[begin, end\]/,
    ],
    'offsets in reverse': [
      file(`{"a":${entry(4, 0, [1])}}`, 4),
      /a: data_offsets: expected 4 bytes.*received "-4 bytes"/,
    ],
    'offsets unlike the size': [
      file(`{"a":${entry(0, 8, [1])}}`, 8),
      /a: data_offsets: expected 4 bytes for F32 \[1\]/,
    ],
    'a hole at the start': [
      file(`{"a":${entry(4, 8)}}`, 8),
      /a: data_offsets: expected begin 0, received 4: it leaves a hole/,
    ],
    'a hole between': [
      file(`{"a":${entry(0, 4)},"b":${entry(8, 12)}}`, 12),
      /b: .* expected begin 4, received 8: it leaves a hole/,
    ],
    'an overlap': [
      file(`{"a":${entry(0, 8)},"b":${entry(4, 12)}}`, 12),
      /b: .* expected begin 8, received 4: it overlaps/,
    ],
    'two names for the same bytes': [file(`{"a":${entry(0, 4)},"b":${entry(0, 4)}}`, 4), /b: .*it overlaps/],
    'truncated data': [file(`{"a":${entry(0, 8)}}`, 7), /data: expected 8 bytes.*received 7: the file is truncated/],
    'trailing bytes': [file(`{"a":${entry(0, 8)}}`, 9), /data: expected 8 bytes.*received 9: bytes follow/],
    'data without tensors': [file('{}', 1), /data: expected 0 bytes/],
  };

  it.each(Object.entries(cases))('%s', (_, [bytes, message]) => {
    expect(fault(() => parse(bytes))).toMatch(message);
  });

  it('integers that a number cannot hold', () => {
    const bytes = file(`{"a":${entry(0, 8, [1], 'I64')}}`, 8);
    new DataView(bytes.buffer).setBigInt64(bytes.length - 8, 2n ** 53n, true);
    expect(fault(() => parse(bytes))).toMatch(/a: expected I64 values that a number can hold.*9007199254740992/);
  });

  it('every truncation of a good file, and never with another error', () => {
    const bytes = serialize({ a: { data: Float32Array.of(1, 2), shape: [2] } }, { k: 'v' });
    for (let length = 0; length < bytes.length; length++) fault(() => parse(bytes.subarray(0, length)));
  });

  it('a corrupt file with no error but CheckpointError', () => {
    const good = serialize({ a: { data: Float32Array.of(1), shape: [1] }, b: { data: Int32Array.of(1), shape: [] } });
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.nat(255), (position, byte) => {
        const bytes = Uint8Array.from(good);
        bytes[position] = byte;
        try {
          parse(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(CheckpointError);
        }
      }),
      { numRuns: 1000 },
    );
  });
});

describe('parse accepts', () => {
  it('no tensors, sizes of zero anywhere, scalars, and tensors listed in any order', () => {
    expect(parse(file('{}')).tensors.size).toBe(0);
    const bytes = file(`{"b":${entry(4, 8, [])},"z":${entry(4, 4, [2 ** 50, 0].reverse())},"a":${entry(0, 4)}}`, 8);
    expect([...parse(bytes).tensors].map(([key, { shape }]) => [key, shape])).toEqual([
      ['a', [1]],
      ['z', [0, 2 ** 50]],
      ['b', []],
    ]);
  });
});

describe('serialize refuses', () => {
  const data = Float32Array.of(1);
  const own = <T>(key: string, value: T): Record<string, T> => Object.fromEntries([[key, value]]);

  it('reserved names, broken Unicode, wrong sizes and metadata that is no string', () => {
    expect(fault(() => serialize(own('__proto__', { data, shape: [1] })))).toMatch(/tensor: the name "__proto__"/);
    expect(fault(() => serialize({ __metadata__: { data, shape: [1] } }))).toMatch(/reserved/);
    expect(fault(() => serialize({}, own('__proto__', 'x')))).toMatch(/metadata: the name "__proto__"/);
    expect(fault(() => serialize({ '\ud83d': { data, shape: [1] } }))).toMatch(/well-formed/);
    expect(fault(() => serialize({}, { k: '\ude00' }))).toMatch(/metadata: k: expected well-formed/);
    expect(fault(() => serialize({ a: { data, shape: [2] } }))).toMatch(/a: expected 2 elements .*received 1/);
    expect(fault(() => serialize({}, { k: 1 } as never))).toMatch(/metadata: k: expected a string, received number/);
    expect(fault(() => serialize({ a: { data: new Uint8Array(1), shape: [1] } as never }))).toMatch(/Float32Array/);
  });
});
