/** The script of a page that Django renders (`instant/client.html`): it makes the global `instant`. */

import { type Instant, instantOf } from "../client.js";
import { CentrifugeSubscribe } from "../legacy/centrifugeSubscribe.js";
import type { InstantWindows } from "../windows/windowSignals.js";
import { Engine, type Page } from "./engine.js";
import type { MakeLiveList } from "./liveList.js";
import { readPageData } from "./pageData.js";

/** The global: what `useInstant` returns, and the functions of the page. */
export type PageInstant = Instant & {
  readonly page: Page;
  /** Update the items of an element by the events of a model. */
  readonly liveList: MakeLiveList;
};

declare global {
  interface Window {
    /** Without `page` it is not this package's: it may be an element with the id "instant". */
    instant?: PageInstant;
    /** The name of `instant.windows` in pages written for df_websockets. */
    DFSignals?: InstantWindows;
  }
}

// A second include in the same page must not replace the first, which has the handlers and the connection.
if (window.instant?.page === undefined) {
  const engine = new Engine(readPageData(), (session, authUrl) => new CentrifugeSubscribe(session, authUrl));
  window.instant = Object.assign(instantOf(engine.session, engine.windows), { page: engine.page, liveList: engine.liveList });
  window.DFSignals ??= window.instant.windows;
}
