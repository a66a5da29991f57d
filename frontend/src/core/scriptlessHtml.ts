/** Parses HTML from the server, and removes its script elements. Event attributes such as `onclick` are kept. */

/** Selects script elements, except for those with JSON data, and `noscript` elements, which are for other browsers. */
export const SCRIPTS = "script:not([type='application/json']), noscript";

export function removeScripts(root: ParentNode): void {
  for (const element of root.querySelectorAll(SCRIPTS)) element.remove();
  for (const template of root.querySelectorAll("template")) removeScripts(template.content);
}

/** Parse HTML and remove its script elements. */
export function parseHtml(html: string): DocumentFragment {
  const template = document.createElement("template");
  template.innerHTML = html;
  removeScripts(template.content);
  return document.importNode(template.content, true);
}
