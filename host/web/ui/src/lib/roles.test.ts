import { expect, test } from "vitest";
import { may, type Role } from "./roles";

const ROLES: Role[] = ["VIEWER", "LAUNCHER", "OPERATOR", "ADMIN"];

test("each role may do what those before it may", () => {
  const allowed = ROLES.map((role) => ROLES.filter((needed) => may({ name: "Ada", role }, needed)).length);
  expect(allowed).toEqual([1, 2, 3, 4]);
});

test("where nobody has a role everything may be done", () => {
  expect(ROLES.every((role) => may(null, role))).toBe(true);
});
