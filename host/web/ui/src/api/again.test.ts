import { QueryClient, QueryObserver } from "@tanstack/react-query";
import { expect, test } from "vitest";
import { readAgain } from "./again";

test("a change during the first reading is read, also if the answer was older", async () => {
  const cache = new QueryClient();
  let now = "before";
  let answer = () => {};
  const gate = new Promise<void>((open) => (answer = open));
  const observer = new QueryObserver(cache, {
    queryKey: ["list"],
    queryFn: async () => {
      const seen = now;
      await gate;
      return seen;
    },
  });
  const shown: (string | undefined)[] = [];
  const stop = observer.subscribe(({ data }) => shown.push(data));
  now = "after";
  readAgain(cache, ["list"]);
  answer();
  await expect.poll(() => shown.at(-1)).toBe("after");
  stop();
});
