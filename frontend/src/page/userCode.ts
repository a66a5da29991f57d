/** Run code of the page's author. If it throws, the console says what has thrown, and other code still runs. */
export function runUserCode(what: string, run: () => void): void {
  try {
    run();
  } catch (error) {
    console.error(`instant: ${what} threw`, error);
  }
}
