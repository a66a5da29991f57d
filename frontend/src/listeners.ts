/** Undoes what returned it. Calling it again does nothing. */
export type Undo = () => void;

/** Functions told about one kind of event; one that throws stops nobody. */
export class Listeners<Event> {
  private readonly all = new Set<{ tell: (event: Event) => void }>();

  get size(): number {
    return this.all.size;
  }

  add(tell: (event: Event) => void): Undo {
    const listener = { tell };
    this.all.add(listener);
    return () => {
      this.all.delete(listener);
    };
  }

  emit(event: Event): void {
    for (const listener of [...this.all]) {
      if (!this.all.has(listener)) continue;
      try {
        listener.tell(event);
      } catch (error) {
        console.error("instant: a listener threw", error);
      }
    }
  }
}

/** A promise and the means to settle it. Nobody has to look at it: a rejection is not "unhandled". */
export class Deferred {
  readonly promise: Promise<void>;
  resolve: () => void = () => undefined;
  reject: (error: Error) => void = () => undefined;

  constructor() {
    this.promise = new Promise<void>((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    this.promise.catch(() => undefined);
  }
}
