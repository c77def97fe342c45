/** The little that a JSON service needs over node:http. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { LstmNativeError, type ErrorCode } from 'lstm-native';
import { z } from 'zod';

/** What went wrong, in words for the client. */
export class HttpError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

/** Errors of the library that tell of the client's input; the others are ours. */
const inputErrors: readonly ErrorCode[] = ['ERR_DATA', 'ERR_OPTION', 'ERR_SHAPE', 'ERR_CHECKPOINT'];

export function statusOf(error: unknown): number {
  if (error instanceof HttpError) return error.status;
  return error instanceof LstmNativeError && inputErrors.includes(error.code) ? 400 : 500;
}

/** The whole body, if it is not too long. */
export async function readBytes(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  // Leaving the loop must not close the connection, which is still to carry the response.
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > maxBytes) throw new HttpError(413, `body: expected at most ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** The body as JSON that fits the schema. */
export async function readJson<S extends z.ZodType>(
  request: IncomingMessage,
  schema: S,
  maxBytes: number,
): Promise<z.infer<S>> {
  const bytes = await readBytes(request, maxBytes);
  let json: unknown;
  try {
    json = JSON.parse(bytes.toString('utf8'));
  } catch {
    throw new HttpError(400, 'body: expected JSON');
  }
  const parsed = schema.safeParse(json);
  if (!parsed.success) throw new HttpError(400, z.prettifyError(parsed.error));
  return parsed.data;
}

/** Bytes go out as they are, all else as JSON. */
export function send(response: ServerResponse, status: number, body: unknown): void {
  const bytes = body instanceof Uint8Array;
  response
    .writeHead(status, { 'content-type': bytes ? 'application/octet-stream' : 'application/json' })
    .end(bytes ? body : JSON.stringify(body));
}
