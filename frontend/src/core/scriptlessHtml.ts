/** Parsing of HTML from the server, without its scripts. */

/** Scripts, and `noscript`, whose content is not for browsers with scripts. Scripts that are JSON data are kept. */
export const SCRIPTS = "script:not([type='application/json']), noscript";

export function removeScripts(root: ParentNode): void {
  for (const element of root.querySelectorAll(SCRIPTS)) element.remove();
  for (const template of root.querySelectorAll("template")) removeScripts(template.content);
}

/** Parse HTML and remove its scripts. */
export function parseHtml(html: string): DocumentFragment {
  const template = document.createElement("template");
  template.innerHTML = html;
  removeScripts(template.content);
  return document.importNode(template.content, true);
}
