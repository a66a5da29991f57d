/** What page.js does without a document; tests/browser/test_page_script.py has the rest. */

import { describe, expect, it } from "vitest";
import { MessageLabels } from "../../src/page/messageLabels";
import { unpackData } from "../../src/page/unpackData";

describe("labels", () => {
  const labels = new MessageLabels();
  labels.use({
    classes: { default: "plain", info: "mq-label mq-info", odd: '"><b>' },
    icons: { default: "<i></i>", info: '<i class="fa fa-info-circle"></i>' },
  });

  it.each([
    ["info", '<span class="mq-label mq-info"><i class="fa fa-info-circle"></i> info</span>'],
    ["<b>&", '<span class="plain"><i></i> &lt;b&gt;&amp;</span>'],
    ["constructor", '<span class="plain"><i></i> constructor</span>'],
    ["odd", '<span class="&quot;&gt;&lt;b&gt;"><i></i> odd</span>'],
    ["", '<span class="plain"><i></i> default</span>'],
  ])("of %j", (eventClass, html) => {
    expect(labels.html(eventClass)).toBe(html);
  });

  it("are plain without a table", () => {
    expect(new MessageLabels().html("info")).toBe('<span class="">info</span>');
  });
});

describe("unpack_data", () => {
  const payload = { channel: "c", site: "s", message: "m", event_class: "info", data: { message: 1 }, uid: "u", timestamp: "t" };
  const { data, ...rest } = payload;

  it.each([
    ["a dataset", { channel: "c", data: payload }],
    ["a payload", payload],
    ["a dataset with text", { channel: "c", data: JSON.stringify(payload) }],
    ["text", JSON.stringify(payload)],
  ])("reads %s", (_name, dataset) => {
    expect(unpackData(dataset, new MessageLabels())).toEqual({ ...rest, data, message_label: '<span class="">info</span>' });
  });

  it.each([null, "no JSON", 1, [], {}, { channel: 1, data: null }])("makes of %j a message without content", (dataset) => {
    expect(unpackData(dataset, new MessageLabels())).toMatchObject({ channel: "", message: "", event_class: "", data: {}, uid: "" });
  });
});
