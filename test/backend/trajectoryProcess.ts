/** Trains and predicts in a process of its own, which LSTM_NATIVE_ISA and LSTM_NATIVE_THREADS govern; prints JSON. */
import { getThreads, nativeInfo } from '../../lib';
import { caseNames, predictRow, train, type Case } from './trajectory';

export interface Report {
  readonly isa: string;
  readonly threads: number;
  readonly training: Readonly<Record<Case, string>>;
  readonly prediction: Awaited<ReturnType<typeof predictRow>>;
}

async function report(): Promise<Report> {
  const training: Partial<Record<Case, string>> = {};
  for (const name of caseNames) training[name] = (await train(name)).digest;
  return {
    isa: nativeInfo().isa,
    threads: getThreads(),
    training: training as Record<Case, string>,
    prediction: await predictRow(),
  };
}

void report().then((made) => process.stdout.write(JSON.stringify(made)));
