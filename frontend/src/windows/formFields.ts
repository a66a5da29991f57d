/** The fields of a form, as a browser submits them. */

/** One field of a form, in the format of jQuery's `serializeArray` and of df_websockets. */
export interface FormField {
  readonly name: string;
  readonly value: string;
}

type Submitter = HTMLElement & { readonly name?: string; readonly value?: string };

/**
 * Return the fields of a form, or of the form that an element belongs to. Files are left out. A `submitter` with a name
 * is included.
 */
export function formFields(element: Element, submitter: Element | null = null): FormField[] {
  const form = formOf(element);
  if (form === null) return [];
  const fields: FormField[] = [];
  for (const [name, value] of new FormData(form)) {
    // Browsers submit line ends as CRLF.
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

/** Return the value of a control: a boolean for a checkbox, a list for a multiple select, null for other elements. */
export function valueOf(element: Element): string | boolean | string[] | null {
  if (element instanceof HTMLSelectElement && element.multiple) {
    return [...element.selectedOptions].map(({ value }) => value);
  }
  if (element instanceof HTMLInputElement && element.type === "checkbox") return element.checked;
  const { value } = element as Partial<HTMLInputElement>;
  if (value !== undefined) return String(value);
  return element instanceof HTMLElement && element.isContentEditable ? (element.textContent ?? "") : null;
}
