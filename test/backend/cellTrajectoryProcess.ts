/** Trains and predicts with every cell in a process of its own, which LSTM_NATIVE_ISA and LSTM_NATIVE_THREADS govern; prints JSON. */
import { getThreads, nativeInfo } from '../../lib';
import { cellCases, predictCell, trainCell } from './cellTrajectory';

export interface CellReport {
  readonly isa: string;
  readonly threads: number;
  readonly cells: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

async function report(): Promise<CellReport> {
  const cells: Record<string, Record<string, string>> = {};
  for (const name of cellCases) {
    const [few, many] = [await trainCell(name, 3), await trainCell(name, 17)];
    cells[name] = { few, many, ...(await predictCell(name)) };
  }
  return { isa: nativeInfo().isa, threads: getThreads(), cells };
}

void report().then((made) => process.stdout.write(JSON.stringify(made)));
