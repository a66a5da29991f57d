/** Creates the items of a live list, from a `<template>` with fields or by a function of the page. */

import { ConfigurationError } from "../core/errors.js";
import { isObject } from "../core/json.js";
import type { Fields, InstantEvent } from "../core/modelEvents.js";

/** A function that returns the element for a model object. */
export type MakeItem<Data = Fields> = (data: Data, event: InstantEvent<Data>) => Element;

/** The attribute with the name of the field that becomes the element's text. */
export const FIELD = "data-field";
/** `data-attr-<name>` contains the name of the field that becomes the value of the attribute `name`. */
const ATTRIBUTE = "data-attr-";
/** Attributes that browsers run as code, or parse as HTML or CSS. They cannot be filled with data. */
const REFUSED = /^(on.*|srcdoc|style)$/;
/** Attributes that contain addresses, and the protocols that are allowed in them. */
const ADDRESSES = ["href", "src", "action", "formaction", "poster", "data", "xlink:href"];
const PROTOCOLS = ["http:", "https:", "mailto:", "tel:"];

/**
 * Return a function that creates items: the given function, or one that fills the template or the template with this
 * id. Throws `ConfigurationError` if there is no such template, or the template is invalid.
 */
export function itemMaker<Data>(template: HTMLTemplateElement | string | MakeItem<Data>): MakeItem<Data> {
  if (typeof template === "function") return template;
  const found = typeof template === "string" ? document.getElementById(template) : template;
  if (!(found instanceof HTMLTemplateElement)) throw new ConfigurationError(`the page has no <template> with the id "${String(template)}"`);
  const [root, ...more] = found.content.children;
  if (root === undefined || more.length > 0) throw new ConfigurationError("the <template> of a live list must contain exactly one element");
  for (const element of within(root)) filledAttributes(element);
  return (data, { pk }) => {
    const item = document.importNode(root, true);
    for (const element of within(item)) fill(element, { pk, data });
    return item;
  };
}

/** Return a field as text: "" if it is missing, JSON for objects and lists. Dots in its name select nested fields. */
export function fieldText(data: unknown, field: string): string {
  const value = fieldValue(data, field);
  if (value === undefined || value === null) return "";
  return typeof value === "object" ? JSON.stringify(value) : String(value as string | number | boolean);
}

function fieldValue(data: unknown, field: string): unknown {
  const step = (value: unknown, name: string): unknown => {
    return isObject(value) && Object.prototype.hasOwnProperty.call(value, name) ? value[name] : undefined;
  };
  return field.split(".").reduce(step, data);
}

function within(root: Element): Element[] {
  return [root, ...root.querySelectorAll("*")];
}

/** Return the attributes of an element that are filled, as pairs of attribute and field. */
function filledAttributes(element: Element): [string, string][] {
  const names = element.getAttributeNames().filter((name) => name.startsWith(ATTRIBUTE));
  return names.map((place) => {
    const name = place.slice(ATTRIBUTE.length);
    if (REFUSED.test(name)) throw new ConfigurationError(`${place} is not allowed: the attribute ${name} cannot be filled with data`);
    return [name, element.getAttribute(place) ?? ""];
  });
}

function fill(element: Element, { pk, data }: { pk: unknown; data: unknown }): void {
  const from = (field: string): unknown => (field === "pk" && fieldValue(data, field) === undefined ? { pk } : data);
  const field = element.getAttribute(FIELD);
  if (field !== null) element.textContent = fieldText(from(field), field);
  for (const [name, field] of filledAttributes(element)) {
    const value = fieldValue(from(field), field);
    const text = value === true ? "" : fieldText(from(field), field);
    // As in HTML: a false or missing value removes the attribute.
    if (value === undefined || value === null || value === false || !isSafe(name, text)) element.removeAttribute(name);
    else element.setAttribute(name, text);
  }
}

function isSafe(name: string, text: string): boolean {
  if (!ADDRESSES.includes(name)) return true;
  try {
    return PROTOCOLS.includes(new URL(text, document.baseURI).protocol);
  } catch {
    return false;
  }
}
