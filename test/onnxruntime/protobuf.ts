/** The part of protocol buffers that writing needs: a message is the bytes of its fields, one after the other. */

const wireTypes = { varint: 0, bytes: 2, fixed32: 5 } as const;

function varint(value: number | bigint): Uint8Array {
  const bytes: number[] = [];
  // Negative numbers are written as 64 bits of two's complement.
  let rest = BigInt.asUintN(64, BigInt(value));
  for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  bytes.push(Number(rest));
  return Uint8Array.from(bytes);
}

const tag = (field: number, wireType: number) => varint((field << 3) | wireType);

export const message = (...fields: readonly Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(fields));

export const integerField = (field: number, value: number): Uint8Array =>
  message(tag(field, wireTypes.varint), varint(value));

export const bytesField = (field: number, bytes: Uint8Array): Uint8Array =>
  message(tag(field, wireTypes.bytes), varint(bytes.length), bytes);

export const textField = (field: number, text: string): Uint8Array => bytesField(field, Buffer.from(text, 'utf8'));

export function floatField(field: number, value: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return message(tag(field, wireTypes.fixed32), bytes);
}
