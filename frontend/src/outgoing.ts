/** The server reads no larger message, and ends the connection for good: 64 KiB, less what stands around it. */
export const MAX_SENT_BYTES = 64 * 1024 - 512;

export const byteLength = (text: string): number => new TextEncoder().encode(text).length;

/** What JSON makes of a value at this moment, and how many bytes it takes. Throws a TypeError where JSON cannot hold it. */
export function copied(value: unknown): { readonly copy: unknown; readonly bytes: number } {
  const text = JSON.stringify(value) as string | undefined;
  if (text === undefined) throw new TypeError(`JSON cannot hold ${typeof value}`);
  return { copy: JSON.parse(text) as unknown, bytes: byteLength(text) };
}
