// Definitions that go wrong under a server that runs.
import { readFileSync, writeFileSync } from "node:fs";
import { pageTest } from "./kit.js";

const FILE = `${process.env.PROJECT}/cofferdam.toml`;

pageTest("j3_wrong_definitions_are_shown_with_their_place_until_they_are_mended", "/settings", async (page) => {
  const good = readFileSync(FILE, "utf8");
  const again = page.getByRole("button", { name: "Load again" });
  await again.waitFor();
  try {
    writeFileSync(FILE, `${good}\n[jobs.broken.stpes.a]\nop = "text.greet"\n`);
    await again.click();
    await page.getByText(/The definitions have \d+ errors?/).waitFor();
    await page.getByRole("region", { name: "Definitions" }).getByText(/stpes/).first().waitFor();
    await page.getByRole("link", { name: "Jobs", exact: true }).click();
    await page.locator("[data-job=hello]").waitFor();
    await page.getByRole("link", { name: "Show all" }).click();
  } finally {
    writeFileSync(FILE, good);
  }
  await again.click();
  await page.getByText(/The definitions have/).waitFor({ state: "detached" });
});
