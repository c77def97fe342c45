/** A process that takes the lock whose path is its argument, says so, and keeps it until it is killed. */
import { RunLock } from '../../lib/train/runLock';

void RunLock.take(process.argv[2]!, () => {}).then(() => {
  process.stdout.write('held');
  setInterval(() => {}, 1000);
});
