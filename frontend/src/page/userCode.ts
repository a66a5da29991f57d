/** Run code of the site. If it throws, log the error with the name `what`, so that other code still runs. */
export function runUserCode(what: string, run: () => void): void {
  try {
    run();
  } catch (error) {
    console.error(`instant: ${what} threw`, error);
  }
}
