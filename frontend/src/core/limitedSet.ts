/** Add a value to a set, then remove the oldest values until the set has at most `max`. */
export function addLimited(set: Set<string>, value: string, max: number): void {
  set.add(value);
  for (const oldest of set) {
    if (set.size <= max) break;
    set.delete(oldest);
  }
}
