import { DataError } from '../errors';
import type { Variable } from '../ops/op';
import type { Layer } from './layer';
import type { Outputs } from './loss';
import { lengthsInput, singleInput } from './signature';

type Variables = Readonly<Record<string, Variable>>;

/** Runs a network's `forward`: on its single input and the lengths, or on all inputs by name. */
export function callRoot(root: Layer, inputs: Variables): Outputs {
  const call = root as unknown as (input: unknown, options?: unknown) => Outputs;
  const { [singleInput]: input, [lengthsInput]: lengths = null, ...others } = inputs;
  return input && Object.keys(others).length === 0 ? callAlone(call, input, lengths) : callByName(call, inputs);
}

/** A `forward` that takes inputs by name finds none in an input that comes alone. */
function callAlone(call: (input: Variable, options: object) => Outputs, input: Variable, lengths: Variable | null) {
  try {
    return call(input, { lengths });
  } catch (cause) {
    if (!isAboutUndefined(cause)) throw cause;
    throw new DataError(
      `forward: ${cause.message}; the batch holds one input without a name, which forward receives as its first ` +
        `argument; inputs by name come as { inputs: { name: { data, shape } } }`,
      { cause },
    );
  }
}

/** What JavaScript, or a layer, says of an input that is not there. */
const isAboutUndefined = (error: unknown): error is Error =>
  (error instanceof TypeError || error instanceof DataError) && error.message.includes('undefined');

/** An input that `forward` reads and the batch lacks, or the other way round, is a mistake in a name. */
function callByName(call: (inputs: Variables) => Outputs, inputs: Variables): Outputs {
  const read = new Set<string>();
  const noting = new Proxy(inputs, {
    get(target, name) {
      if (typeof name === 'string') read.add(name);
      return target[name as string];
    },
    ownKeys(target) {
      for (const name of Object.keys(target)) read.add(name);
      return Reflect.ownKeys(target);
    },
  });
  const given = Object.keys(inputs);
  try {
    const outputs = call(noting);
    const unread = given.filter((name) => !read.has(name) && name !== lengthsInput);
    if (unread.length === 0) return outputs;
    throw new DataError(`${unread.join(', ')}: forward reads no such input; it reads ${[...read].join(', ')}`);
  } catch (cause) {
    const missing = [...read].filter((name) => !given.includes(name) && name !== lengthsInput);
    if (!isAboutUndefined(cause) || missing.length === 0) throw cause;
    throw new DataError(`${missing.join(', ')}: forward reads this input, and the batch holds ${given.join(', ')}`, {
      cause,
    });
  }
}
