/** Texts that documents show and that are not written by hand. */
import { embedding, linear, lstm, meanSquaredError, sequential, sgd } from '../../lib';
import { signatureOf } from '../../lib/nn/signature';
import { print } from '../../lib/program/print';
import { writeStep } from '../../lib/train/step';
import { read } from './markdown';

const sequences = { inputs: { data: new Float32Array(2 * 4), shape: [2, 2, 2] } };

/** One training step of an LSTM with three units and a linear layer. */
function trainingStep(): string {
  const model = sequential([lstm(3), linear(1)], { backend: 'reference' }).bind(sequences);
  const targets = signatureOf({ targets: { data: new Float32Array(2 * 2), shape: [2, 2, 1] } });
  const mode = { training: true, recurrentState: 'zero' } as const;
  const objective = { loss: meanSquaredError() };
  const update = { optimizer: sgd(), clipNorm: 1 };
  return print(writeStep(model.network, signatureOf(sequences), targets, mode, objective, update).program);
}

function summary(): string {
  const model = sequential([embedding(89, 64), lstm(256), linear(89)], { backend: 'reference' });
  return model.bind({ inputs: { data: new Int32Array(1), shape: [1, 1] } }).summary();
}

const printed: Readonly<Record<string, () => string>> = { 'training-step': trainingStep, summary };

/** The text of a block: `file: path` is that file, `printed: name` what a program prints. */
export function textOf({ kind, name }: { kind: string; name: string }): string {
  if (kind === 'file') return read(name);
  const print = kind === 'printed' ? printed[name] : undefined;
  if (!print) throw new Error(`unknown source of a block: ${kind}: ${name}`);
  return `${print()}\n`;
}
