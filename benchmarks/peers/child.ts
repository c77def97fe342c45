/** The peer's side of the protocol, for engines that run in Node.js. */
import { readFileSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { elementCount } from '../../lib/ops/shape';
import { inputsOf, outputsOf, type PeerCase } from './protocol';

export interface OpenCase {
  /** What `outputsOf` names. */
  readonly outputs: Readonly<Record<string, Float32Array>>;
  run(): Promise<unknown>;
  close(): Promise<void> | void;
}

export type Open = (given: PeerCase, tensors: Readonly<Record<string, Float32Array>>) => Promise<OpenCase>;

export async function serve(version: string, open: Open): Promise<void> {
  const say = (answer: object) => process.stdout.write(`${JSON.stringify(answer)}\n`);
  let opened: OpenCase | null = null;
  say({ version });
  for await (const line of createInterface({ input: process.stdin })) {
    const question = JSON.parse(line) as { readonly open?: PeerCase; readonly run?: number };
    try {
      if (question.open) {
        await opened?.close();
        // It is closed also where the next case is refused.
        opened = null;
        opened = await open(question.open, readTensors(question.open));
        writeOutputs(question.open, opened.outputs);
        say({ opened: true });
      } else if (question.run !== undefined) {
        const begin = performance.now();
        for (let k = 0; k < question.run; k++) await opened!.run();
        say({ seconds: (performance.now() - begin) / 1e3 / question.run });
      }
    } catch (error) {
      say({ error: (error as Error).message });
    }
  }
}

function readTensors(given: PeerCase): Readonly<Record<string, Float32Array>> {
  const { buffer, byteOffset } = readFileSync(given.inputs);
  let offset = byteOffset;
  return Object.fromEntries(
    inputsOf(given).map(([name, shape]) => {
      const count = elementCount(shape);
      const array = new Float32Array(buffer.slice(offset, (offset += 4 * count)));
      return [name, array];
    }),
  );
}

function writeOutputs(given: PeerCase, outputs: OpenCase['outputs']): void {
  const arrays = outputsOf(given).map(([name]) => outputs[name]!);
  writeFileSync(given.outputs, Buffer.concat(arrays.map((a) => new Uint8Array(a.buffer, a.byteOffset, a.byteLength))));
}
