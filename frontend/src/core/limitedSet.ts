/** Add a value, then drop the oldest values until the set holds no more than `max`. */
export function addLimited(set: Set<string>, value: string, max: number): void {
  set.add(value);
  for (const oldest of set) {
    if (set.size <= max) break;
    set.delete(oldest);
  }
}
