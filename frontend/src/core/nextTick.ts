/** The next turn of the event loop. All calls before it get the same promise, so that the work after it is batched. */
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
