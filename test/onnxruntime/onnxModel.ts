/** ONNX models of one node, as bytes: what these tests hand to ONNX Runtime. */
import { bytesField, floatField, integerField, message, textField } from './protobuf';

/** Intermediate representation 7 with operator set 14 is what every ONNX Runtime since 1.7 reads. */
const irVersion = 7;
const operatorSet = 14;

const elementTypes = { float32: 1, int32: 6 } as const;
const attributeTypes = { float: 1, integer: 2, text: 3, floats: 6, texts: 8 } as const;

export interface OnnxTensor {
  readonly dtype: keyof typeof elementTypes;
  readonly shape: readonly number[];
  readonly data: Float32Array | Int32Array;
}

/** An attribute's kind follows from its value; a whole number that belongs to a float attribute says so. */
export type OnnxAttribute = number | string | readonly string[] | readonly number[] | { readonly float: number };

export interface OnnxNode {
  readonly operator: string;
  readonly attributes: Readonly<Record<string, OnnxAttribute>>;
  /** In the operator's order; null leaves an optional input out. */
  readonly inputs: readonly (readonly [name: string, tensor: OnnxTensor] | null)[];
  readonly outputs: readonly string[];
}

/** The node as a model: every tensor that it reads is an input of the graph, by its name, but for the `constants`. */
export function onnxModel(
  { operator, attributes, inputs, outputs }: OnnxNode,
  constants: readonly string[] = [],
): Uint8Array {
  const tensors = inputs.filter((input) => input !== null);
  const given = tensors.filter(([name]) => !constants.includes(name));
  const node = message(
    ...inputs.map((input) => textField(1, input?.[0] ?? '')),
    ...outputs.map((name) => textField(2, name)),
    textField(3, 'node'),
    textField(4, operator),
    ...Object.entries(attributes).map(([name, value]) => bytesField(5, attribute(name, value))),
  );
  const graph = message(
    bytesField(1, node),
    textField(2, 'graph'),
    ...tensors
      .filter(([name]) => constants.includes(name))
      .map(([name, tensor]) => bytesField(5, constant(name, tensor))),
    ...given.map(([name, tensor]) => bytesField(11, valueInfo(name, tensor.dtype, tensor.shape))),
    ...outputs.map((name) => bytesField(12, valueInfo(name, 'float32', null))),
  );
  return message(integerField(1, irVersion), bytesField(7, graph), bytesField(8, integerField(2, operatorSet)));
}

function constant(name: string, { dtype, shape, data }: OnnxTensor): Uint8Array {
  return message(
    ...shape.map((dim) => integerField(1, dim)),
    integerField(2, elementTypes[dtype]),
    textField(8, name),
    bytesField(9, new Uint8Array(data.buffer, data.byteOffset, data.byteLength)),
  );
}

function valueInfo(name: string, dtype: OnnxTensor['dtype'], shape: readonly number[] | null): Uint8Array {
  const dims = shape && message(...shape.map((dim) => bytesField(1, integerField(1, dim))));
  const tensor = message(integerField(1, elementTypes[dtype]), ...(dims ? [bytesField(2, dims)] : []));
  return message(textField(1, name), bytesField(2, bytesField(1, tensor)));
}

function attribute(name: string, value: OnnxAttribute): Uint8Array {
  const of = (type: keyof typeof attributeTypes, ...fields: readonly Uint8Array[]) =>
    message(textField(1, name), ...fields, integerField(20, attributeTypes[type]));
  if (typeof value === 'number') return of('integer', integerField(3, value));
  if (typeof value === 'string') return of('text', textField(4, value));
  if ('float' in value) return of('float', floatField(2, value.float));
  if (value.every((item) => typeof item === 'string')) return of('texts', ...value.map((item) => textField(9, item)));
  return of('floats', ...value.map((item) => floatField(7, item)));
}
