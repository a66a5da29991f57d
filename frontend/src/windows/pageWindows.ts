/** The signals of a page that Django renders, with `data-df-signal` attributes and the standard signals. */

import { UNAUTHORIZED } from "../core/codes.js";
import { ConnectionClosed, type InstantError } from "../core/errors.js";
import type { Session } from "../core/siteSession.js";
import { SignalAttributes } from "./signalAttributes.js";
import { connectStandardSignals } from "./standardSignals.js";
import { Windows } from "./windowSignals.js";

/** Return the `Windows` of a page. `applyHtml` applies the `data` of a live HTML message. */
export function pageWindows(session: Session, connects: boolean, applyHtml: (data: unknown) => void): Windows {
  const windows = new Windows(session, false);
  if (!connects) windows.connectionWait.reject(new ConnectionClosed(UNAUTHORIZED, "nobody is logged in"));
  connectStandardSignals(windows.signals, applyHtml);
  const attributes = new SignalAttributes((name, opts, element) => {
    windows.call(name, opts).catch((error: InstantError) => {
      // Dispatched on the element, so that the page can show the error there. The event bubbles.
      const event = new CustomEvent("instant:call-failed", { detail: { name, error }, bubbles: true, cancelable: true });
      if (element.dispatchEvent(event)) session.events.report(error);
    });
  });
  attributes.start();
  return windows;
}
