/** One field of a form, as jQuery's `serializeArray` and df_websockets have it. */
export interface FormField {
  readonly name: string;
  readonly value: string;
}

type Submitter = HTMLElement & { readonly name?: string; readonly value?: string };

/**
 * What a browser would post of a form, or of the form that an element belongs to; files are left out. The button that
 * submits it counts, where it is given and has a name.
 */
export function formFields(element: Element, submitter: Element | null = null): FormField[] {
  const form = formOf(element);
  if (form === null) return [];
  const fields: FormField[] = [];
  for (const [name, value] of new FormData(form)) {
    // As it is posted: line ends are CRLF.
    if (typeof value === "string") fields.push({ name, value: value.replace(/\r?\n|\r/g, "\r\n") });
  }
  const { name = "", value = "" } = (submitter ?? {}) as Submitter;
  if (name !== "") fields.push({ name, value });
  return fields;
}

export function formOf(element: Element): HTMLFormElement | null {
  if (element instanceof HTMLFormElement) return element;
  return (element as Partial<HTMLInputElement>).form ?? element.closest("form");
}

/** The value of a control: true or false of a checkbox, a list of a choice of several; null of what is none. */
export function valueOf(element: Element): string | boolean | string[] | null {
  if (element instanceof HTMLSelectElement && element.multiple) {
    return [...element.selectedOptions].map(({ value }) => value);
  }
  if (element instanceof HTMLInputElement && element.type === "checkbox") return element.checked;
  const { value } = element as Partial<HTMLInputElement>;
  if (value !== undefined) return String(value);
  return element instanceof HTMLElement && element.isContentEditable ? (element.textContent ?? "") : null;
}
