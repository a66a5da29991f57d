/** The script of a page that Django renders (`instant/client.html`): it makes the global `instant`. */

import { facade, type Instant } from "../client.js";
import { Engine, type Page } from "./engine.js";
import type { InstantWindows } from "../windows/index.js";
import { readFacts } from "./facts.js";
import type { MakeLiveList } from "./liveList.js";

/** The global: what `useInstant` returns, and the page's own. */
export type PageInstant = Instant & {
  readonly page: Page;
  /** Keep the items of an element in step with a table, by the events of its model. */
  readonly liveList: MakeLiveList;
};

declare global {
  interface Window {
    /** Not ours where it has no `page`: an element with the id "instant", for example. */
    instant?: PageInstant;
    /** The name of `instant.windows` in pages that were written for df_websockets. */
    DFSignals?: InstantWindows;
  }
}

// A second include of the same page must not take the place of the first, which has the handlers and the connection.
if (window.instant?.page === undefined) {
  const engine = new Engine(readFacts());
  window.instant = Object.assign(facade(engine.session, engine.windows), { page: engine.page, liveList: engine.liveList });
  window.DFSignals ??= window.instant.windows;
}
