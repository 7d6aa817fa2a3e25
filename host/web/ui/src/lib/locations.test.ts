import { expect, test } from "vitest";
import type { Diagnostic, LocationEntry } from "../api/types";
import { libraryId, shelfOf, wrongOnes } from "./locations";

const said = (severity: Diagnostic["severity"], message: string) => ({ severity, message }) as Diagnostic;
const entry = (name: string, loadStatus: LocationEntry["loadStatus"], diagnostics: Diagnostic[] = []) =>
  ({ name, loadStatus, diagnostics }) as LocationEntry;

test("a location is wrong by an error or because it could not be loaded, and not by a warning", () => {
  const { names, nErrors, first } = wrongOnes([entry("a", "LOADED", [said("WARNING", "w")]), entry("b", "FAILED"), entry("c", "FAILED", [said("WARNING", "w"), said("ERROR", "e"), said("ERROR", "f")])]);
  expect({ names, nErrors, first: first?.message }).toEqual({ names: ["b", "c"], nErrors: 2, first: "e" });
  expect(wrongOnes([entry("a", "LOADED")])).toEqual({ names: [], nErrors: 0, first: null });
});

test("names are told apart by their location and by who keeps something", () => {
  expect([libraryId("text"), libraryId("text", "reports")]).toEqual(["text", "reports/text"]);
  expect([shelfOf("hello"), shelfOf("hello", "reports"), shelfOf("hello", undefined, "Ada"), shelfOf("hello", "reports", "Ada")])
    .toEqual(["hello", "reports/hello", "Ada/hello", "Ada/reports/hello"]);
});
