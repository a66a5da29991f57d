/** Labels of messages: HTML with the CSS class and the icon of an event class. */

/** The CSS classes and icons by event class, from the template instant/event_class_format.js. */
export interface LabelTable {
  readonly classes: { readonly [eventClass: string]: string };
  /** HTML. */
  readonly icons: { readonly [eventClass: string]: string };
}

const DEFAULT = "default";
const ESCAPED = new Map([
  ["&", "&amp;"],
  ["<", "&lt;"],
  [">", "&gt;"],
  ['"', "&quot;"],
  ["'", "&#x27;"],
]);

/** Renders labels. */
export class MessageLabels {
  private classes = new Map<string, string>();
  private icons = new Map<string, string>();

  use({ classes, icons }: LabelTable): void {
    // Maps, because an event class may have a name such as "constructor".
    this.classes = new Map(Object.entries(classes));
    this.icons = new Map(Object.entries(icons));
  }

  /** Return the HTML of a label. The icon is trusted HTML of the site; the rest is escaped. */
  html(eventClass: string): string {
    const name = eventClass === "" ? DEFAULT : eventClass;
    const known = this.classes.has(name) ? name : DEFAULT;
    const icon = this.icons.get(name) ?? this.icons.get(DEFAULT) ?? "";
    return `<span class="${escaped(this.classes.get(known) ?? "")}">${icon === "" ? "" : `${icon} `}${escaped(name)}</span>`;
  }
}

function escaped(text: string): string {
  return String(text).replace(/[&<>"']/g, (character) => ESCAPED.get(character) ?? "");
}
