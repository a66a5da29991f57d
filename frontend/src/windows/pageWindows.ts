/** The windows of a page that Django renders: they add `data-df-signal` attributes and the standard signals. */

import { UNAUTHORIZED } from "../core/codes.js";
import { ConnectionClosed, type InstantError } from "../core/errors.js";
import type { Session } from "../core/siteSession.js";
import { SignalAttributes } from "./signalAttributes.js";
import { connectStandardSignals } from "./standardSignals.js";
import { Windows } from "./windowSignals.js";

/** Make the windows of a page. `applyHtml` applies the `data` of a message of live HTML. */
export function pageWindows(session: Session, connects: boolean, applyHtml: (data: unknown) => void): Windows {
  const windows = new Windows(session, false);
  if (!connects) windows.connectionWait.reject(new ConnectionClosed(UNAUTHORIZED, "nobody is logged in"));
  connectStandardSignals(windows.signals, applyHtml);
  const attributes = new SignalAttributes((name, opts, element) => {
    windows.call(name, opts).catch((error: InstantError) => {
      // On the element, so that the page can show it there; it bubbles.
      const event = new CustomEvent("instant:call-failed", { detail: { name, error }, bubbles: true, cancelable: true });
      if (element.dispatchEvent(event)) session.events.report(error);
    });
  });
  attributes.start();
  return windows;
}
