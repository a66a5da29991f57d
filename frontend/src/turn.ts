/** The next turn of the event loop, once for all who wait for it. */
export class Turn {
  private coming: Promise<void> | null = null;

  next(): Promise<void> {
    this.coming ??= new Promise((resolve) => {
      setTimeout(() => {
        this.coming = null;
        resolve();
      });
    });
    return this.coming;
  }
}
