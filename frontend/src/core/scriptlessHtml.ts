/** HTML from the server, without its scripts. */

/** Elements that a browser runs, and `noscript`, which it does not show as scripts are enabled. JSON data is kept. */
export const SCRIPTS = "script:not([type='application/json']), noscript";

export function removeScripts(root: ParentNode): void {
  for (const element of root.querySelectorAll(SCRIPTS)) element.remove();
  for (const template of root.querySelectorAll("template")) removeScripts(template.content);
}

/** Parse HTML, and leave out its scripts. */
export function parseHtml(html: string): DocumentFragment {
  const template = document.createElement("template");
  template.innerHTML = html;
  removeScripts(template.content);
  return document.importNode(template.content, true);
}
