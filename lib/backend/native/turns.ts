/** How many brief runs may take place in their calls before the event loop has its turn. */

const inNextTurn = setImmediate;

/** About 0.1 ms each; what comes after them queues. */
const mostInATurn = 8;
let inThisTurn = 0;

export const mayRunAtOnce = (): boolean => inThisTurn < mostInATurn;

/** Counts a run that took place in its call, and waits for a later turn of the event loop. */
export function turnAfterRun(): Promise<void> {
  inThisTurn++;
  return new Promise((resolve) => {
    inNextTurn(() => {
      inThisTurn = 0;
      resolve();
    });
  });
}
