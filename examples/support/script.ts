/** Runs what a script does: `--help` prints how to use it, and a failure is one line and exit code 1. */
export function script(usage: string, main: () => Promise<void>): void {
  if (process.argv.includes('--help')) return console.log(usage);
  main().catch((error: Error) => {
    console.error(error.message);
    process.exitCode = 1;
  });
}
