import assert from "node:assert/strict";
import { test } from "node:test";
import { testContext } from "cofferdam-op";
import { heat } from "./index.js";

test("a month without a mean has no cell", () => {
  const months = [12, ...Array(11).fill(null)];
  const season = { carrier: "B6", airline: "JetBlue <Airways>", months, mean: 12, spread: 0, worst_month: 1 };
  const drawn = new TextDecoder().decode(heat({ seasons: [season] }, testContext()));
  assert.equal(drawn.split("<rect").length - 1, 1);
  assert.ok(drawn.includes("JetBlue &#60;Airways&#62;"));
});
