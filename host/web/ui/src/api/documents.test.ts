import { readFileSync } from "node:fs";
import { buildSchema, parse, validate } from "graphql";
import { expect, test } from "vitest";
import * as assets from "./assets/documents";
import * as automation from "./automation/documents";
import * as documents from "./documents";

const schema = buildSchema(readFileSync(new URL("../../../schema.graphql", import.meta.url), "utf8"));

test.each(Object.entries({ ...documents, ...assets, ...automation }))("%s is what the server understands", (_, document) => {
  expect(validate(schema, parse(document)).map((error) => error.message)).toEqual([]);
});
