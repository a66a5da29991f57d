/** What windows have on a page that Django renders, besides calls: attributes, and the standard signals. */

import { ConnectionClosed, type InstantError } from "../errors.js";
import type { Session } from "../session.js";
import { Attributes } from "./attributes.js";
import { Windows } from "./index.js";
import { connectStandard } from "./standard.js";

const UNAUTHORIZED = 1;

/** Make the windows of a page; `stream` applies the `data` of a message of live HTML. */
export function pageWindows(session: Session, connects: boolean, stream: (data: unknown) => void): Windows {
  const windows = new Windows(session, false);
  if (!connects) windows.refuse(new ConnectionClosed(UNAUTHORIZED, "nobody is logged in"));
  connectStandard(windows.signals, stream);
  const attributes = new Attributes((name, opts, element) => {
    windows.call(name, opts).catch((error: InstantError) => {
      // The page may tell its user: it is on the element, and bubbles.
      const event = new CustomEvent("instant:call-failed", { detail: { name, error }, bubbles: true, cancelable: true });
      if (element.dispatchEvent(event)) session.events.report(error);
    });
  });
  attributes.start();
  return windows;
}
