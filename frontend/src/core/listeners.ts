/** Listeners, and the functions that remove them. */

/** Removes the listener or handler whose registration returned it. Calling it again does nothing. */
export type Undo = () => void;

/** The listeners of one event. If a listener throws, the others still run. */
export class Listeners<Event> {
  private readonly all = new Set<{ run: (event: Event) => void }>();

  get size(): number {
    return this.all.size;
  }

  add(run: (event: Event) => void): Undo {
    const listener = { run };
    this.all.add(listener);
    return () => {
      this.all.delete(listener);
    };
  }

  emit(event: Event): void {
    for (const listener of [...this.all]) {
      if (!this.all.has(listener)) continue;
      try {
        listener.run(event);
      } catch (error) {
        console.error("instant: a listener threw", error);
      }
    }
  }
}

const NONE: ReadonlySet<never> = new Set<never>();

/** Functions by name. The same function may be added several times; each addition has its own `Undo`. */
export class FunctionsByName<Run> {
  private readonly byName = new Map<string, Set<{ readonly run: Run }>>();

  add(name: string, run: Run): Undo {
    const entry = { run };
    const entries = this.byName.get(name) ?? new Set();
    this.byName.set(name, entries.add(entry));
    return () => {
      entries.delete(entry);
      if (entries.size === 0 && this.byName.get(name) === entries) this.byName.delete(name);
    };
  }

  has(name: string): boolean {
    return this.byName.has(name);
  }

  /** Return the functions of a name, in the order in which they were added. */
  get(name: string): ReadonlySet<{ readonly run: Run }> {
    return this.byName.get(name) ?? NONE;
  }
}

/** Return a wrapper for listeners that skips the listener while `isCurrent` returns false. */
export function onlyWhile(isCurrent: () => boolean) {
  return <Context>(run: (context: Context) => void) =>
    (context: Context): void => {
      if (isCurrent()) run(context);
    };
}
