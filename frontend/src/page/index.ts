/** The script of a page that Django renders (`instant/client.html`). It defines the global `instant`. */

import { type Instant, instantOf } from "../client.js";
import { CentrifugeSubscribe } from "../legacy/centrifugeSubscribe.js";
import type { InstantWindows } from "../windows/windowSignals.js";
import { Engine, type Page } from "./engine.js";
import type { MakeLiveList } from "./liveList.js";
import { readPageData } from "./pageData.js";

/** The global `instant`: the interface of `useInstant()`, and the functions of the page. */
export type PageInstant = Instant & {
  readonly page: Page;
  /** Keep the items of an element up to date with the events of a model. */
  readonly liveList: MakeLiveList;
};

declare global {
  interface Window {
    /** Without `page`, it is not of this package: it may be an element with the id "instant". */
    instant?: PageInstant;
    /** An alias of `instant.windows` for pages written for df_websockets. */
    DFSignals?: InstantWindows;
  }
}

// If the page includes this script twice, the second must not replace the first, which has handlers and a connection.
if (window.instant?.page === undefined) {
  const engine = new Engine(readPageData(), (session, authUrl) => new CentrifugeSubscribe(session, authUrl));
  window.instant = Object.assign(instantOf(engine.session, engine.windows), { page: engine.page, liveList: engine.liveList });
  window.DFSignals ??= window.instant.windows;
}
