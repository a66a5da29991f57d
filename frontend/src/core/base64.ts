/** Return the bytes of a base64 text. Throws a DOMException if the text is not base64. */
export function bytesOfBase64(encoded: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(encoded), (character) => character.charCodeAt(0));
}
