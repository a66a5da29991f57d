import { Idiomorph } from "idiomorph";

type Control = HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement;

/** Whatever a browser runs or, as scripts are on, does not show. Data in JSON is neither. */
const SCRIPTS = "script:not([type='application/json']), noscript";
/** An element that the page's own JavaScript fills has it, and stays as it is. */
const KEPT = "[data-instant-keep]";
/** Attributes of whom they tell not what Django rendered, but what the user or htmx did. */
const STATE: { readonly [attribute: string]: string } = { open: "details, dialog", "data-htmx-powered": "*" };

const CHECKED = ["checkbox", "radio"];

export function withoutScripts(root: ParentNode): void {
  for (const element of root.querySelectorAll(SCRIPTS)) element.remove();
  for (const template of root.querySelectorAll("template")) withoutScripts(template.content);
}

/**
 * Make an element (or what it holds) like `content`, with as little change as can be: focus, selection, scrolled parts
 * and what the user typed or chose stay. Returns the elements that then stand there. `keepsScripts`: `content` has had
 * its scripts taken out, which is no reason to take out the page's.
 */
export function morph(old: Element, content: Node[], style: "innerHTML" | "outerHTML", keepsScripts = false): Element[] {
  const touched = new Set<Node>([...controls(old)].filter(isTouched));
  const choices = [...touched].filter((control) => control instanceof HTMLSelectElement).map(remembered);
  const { scrollX, scrollY } = window;
  const nodes = Idiomorph.morph(old, content, {
    morphStyle: style,
    callbacks: {
      beforeNodeMorphed: (node) => !(node.matches?.(KEPT) || isEdited(node)),
      beforeNodeRemoved: (node) => !(node.matches?.(keepsScripts ? `${SCRIPTS}, ${KEPT}` : KEPT)),
      beforeAttributeUpdated: (name, element) => {
        if (touched.has(element) && (name === "value" || name === "checked")) return false;
        return !element.matches(STATE[name] ?? ":not(*)");
      },
    },
  }) as Node[];
  for (const restore of choices) restore();
  // Giving an element its focus back may have scrolled to it.
  if (window.scrollX !== scrollX || window.scrollY !== scrollY) {
    window.scrollTo({ left: scrollX, top: scrollY, behavior: "instant" });
  }
  return nodes.filter((node) => node instanceof Element);
}

function* controls(root: Element): Iterable<Control> {
  const selector = "input, textarea, select";
  if (root.matches(selector)) yield root as Control;
  yield* root.querySelectorAll<Control>(selector);
}

/** Whether the user has, or may just be about to, put something into it. */
function isTouched(control: Control): boolean {
  if (control instanceof HTMLSelectElement) return isChosen(control);
  if (control instanceof HTMLInputElement && CHECKED.includes(control.type)) return control.checked !== control.defaultChecked;
  return control === document.activeElement || control.value !== control.defaultValue;
}

function isChosen({ options, multiple, selectedIndex }: HTMLSelectElement): boolean {
  const all = [...options];
  if (!multiple && !all.some((option) => option.defaultSelected)) return selectedIndex > 0;
  return all.some((option) => option.selected !== option.defaultSelected);
}

/** Return what chooses again what is chosen now, of the options that are left. */
function remembered(select: Node): () => void {
  const { options, selectedOptions } = select as HTMLSelectElement;
  const chosen = new Set([...selectedOptions].map(({ value }) => value));
  return () => {
    const all = [...options];
    if (all.some(({ value }) => chosen.has(value))) for (const option of all) option.selected = chosen.has(option.value);
  };
}

/** Whether the user is writing in it, a part of the page that is no form. */
function isEdited(node: Node): boolean {
  return node instanceof HTMLElement && node.isContentEditable && node.contains(document.activeElement);
}
