/** Morphs elements of the page, and keeps the focus, the selection and the user's input. */

import { Idiomorph } from "idiomorph";
import { SCRIPTS } from "../core/scriptlessHtml.js";

type Control = HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement;

/** Elements that the page's own JavaScript fills. They are not changed. */
const KEPT = "[data-instant-keep]";
/** Attributes that the user or htmx sets, and the elements on which they are not changed. */
const STATE: { readonly [attribute: string]: string } = { open: "details, dialog", "data-htmx-powered": "*" };

const CHECKED = ["checkbox", "radio"];

/**
 * Change an element, or its content, into `content`, with as few changes as possible. The focus, the selection, scroll
 * positions and the user's input are kept. Returns the resulting elements. With `keepsScripts`, scripts in the page
 * are kept, although `content` has none.
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
  // Restoring the focus may have scrolled the page.
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

/** Return whether the user has changed a control, or has focused a text field. */
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

/** Return a function that selects the current options again, if they still exist. */
function remembered(select: Node): () => void {
  const { options, selectedOptions } = select as HTMLSelectElement;
  const chosen = new Set([...selectedOptions].map(({ value }) => value));
  return () => {
    const all = [...options];
    if (all.some(({ value }) => chosen.has(value))) for (const option of all) option.selected = chosen.has(option.value);
  };
}

/** Return whether the user is editing this element, which is not a form control. */
function isEdited(node: Node): boolean {
  return node instanceof HTMLElement && node.isContentEditable && node.contains(document.activeElement);
}
