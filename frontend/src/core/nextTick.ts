/**
 * The next turn of the event loop. All calls of `wait` in one turn return the same promise, so that the work of all
 * callers can be done together.
 */
export class NextTick {
  private coming: Promise<void> | null = null;

  wait(): Promise<void> {
    this.coming ??= new Promise((resolve) => {
      setTimeout(() => {
        this.coming = null;
        resolve();
      });
    });
    return this.coming;
  }
}
