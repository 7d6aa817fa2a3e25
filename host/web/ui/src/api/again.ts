// What a page has read is read again when the server says that it has changed.
import type { QueryClient } from "@tanstack/react-query";

/** Has what is shown of these read again. A first reading is never cut short: it may have been answered before what changed, and
 *  then it is followed by a second one. */
export function readAgain(cache: QueryClient, queryKey: readonly unknown[]) {
  const first = cache.getQueryCache().findAll({ queryKey }).filter((query) => query.state.data === undefined && query.state.fetchStatus === "fetching");
  void cache.invalidateQueries({ queryKey });
  for (const query of first) {
    const second = () => void cache.invalidateQueries({ queryKey: query.queryKey, exact: true });
    query.promise?.then(second, second);
  }
}
