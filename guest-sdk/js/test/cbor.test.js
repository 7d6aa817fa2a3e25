// Deterministic CBOR: what is written, what is read, what is refused.

import assert from "node:assert/strict";
import { test } from "node:test";

import { decode, encode } from "../src/cbor.js";

const hex = (bytes) => Buffer.from(bytes).toString("hex");
const bytes = (text) => Uint8Array.from(Buffer.from(text, "hex"));
const number = { type: "number" };

test("the examples of RFC 8949 are written in their shortest form", () => {
  const cases = [
    [0, "00"], [23, "17"], [24, "1818"], [1000, "1903e8"], [1000000, "1a000f4240"], [1000000000000, "1b000000e8d4a51000"],
    [18446744073709551615n, "1bffffffffffffffff"], [-1, "20"], [-1000, "3903e7"], [-(2n ** 63n), "3b7fffffffffffffff"],
    [2n ** 53n + 1n, "1b0020000000000001"], ["", "60"], ["ü", "62c3bc"], ["水", "63e6b0b4"], [[], "80"], [[1, [2, 3]], "8201820203"],
    [{}, "a0"], [{ b: 2, a: 1 }, "a2616101616202"], [true, "f5"], [false, "f4"], [null, "f6"], [new Uint8Array([1, 2]), "420102"],
  ];
  for (const [value, expected] of cases) assert.equal(hex(encode(value)), expected, String(value));
});

test("the schema says whether a number without a fraction is one", () => {
  assert.equal(hex(encode(1, number)), "f93c00");
  assert.equal(hex(encode(1)), "01");
  assert.equal(hex(encode({ a: [1] }, { properties: { a: { items: { $ref: "#/$defs/n" } } }, $defs: { n: number } })), "a1616181f93c00");
});

test("fractions take 16, 32 or 64 bits, whichever holds them", () => {
  const cases = [
    [1.5, "f93e00"], [65504, "f97bff"], [5.960464477539063e-8, "f90001"], [0.00006103515625, "f90400"], [-4.0, "f9c400"],
    [100000, "fa47c35000"], [3.4028234663852886e38, "fa7f7fffff"], [1.1, "fb3ff199999999999a"], [1e300, "fb7e37e43c8800759c"],
    [-0, "f98000"], [Infinity, "f97c00"], [NaN, "f97e00"],
  ];
  for (const [value, expected] of cases) {
    assert.equal(hex(encode(value, number)), expected);
    assert.ok(Object.is(decode(bytes(expected)), value), expected);
  }
});

test("whole numbers stay exact: a bigint stands for what a number cannot hold", () => {
  for (const value of [2n ** 53n, 2n ** 53n + 1n, 2n ** 63n - 1n, -(2n ** 63n), 2n ** 64n - 1n]) assert.equal(decode(encode(value)), value);
  assert.equal(decode(encode(2 ** 53 - 1)), 2 ** 53 - 1);
  assert.equal(decode(encode(-(2 ** 53 - 1))), -(2 ** 53 - 1));
  assert.equal(decode(encode(5n)), 5);
});

test("keys are sorted by their bytes, shorter ones first, and none comes twice", () => {
  const sorted = decode(encode({ bb: 1, a: 2, "ü": 3, aa: 4, "￿": 5, "😀": 6 }));
  assert.deepEqual(Object.keys(sorted), ["a", "aa", "bb", "ü", "￿", "😀"]);
  assert.deepEqual(encode(new Map([["a", 1], ["b", 2]])), encode({ b: 2, a: 1, c: undefined }));
  assert.throws(() => encode(new Map([[1, 1], ["1", 2]])), /the key `1` twice/);
});

test("every kind of value comes back", () => {
  const value = { list: [1, "a", null, true, { deep: [0.5] }], bytes: new Uint8Array([0, 255]), text: "x".repeat(70000), n: -12345678901 };
  assert.deepEqual(decode(encode(value)), value);
  const hostile = JSON.parse('{"__proto__": {"polluted": 1}}');
  const back = decode(encode(hostile));
  assert.ok(Object.hasOwn(back, "__proto__") && back.polluted === undefined);
});

test("what is no value is named with its place", () => {
  assert.throws(() => encode({ a: [1, () => 1] }), /`\/a\/1` is a function/);
  assert.throws(() => encode(2n ** 64n), /whole numbers have 64 bits/);
  assert.throws(() => encode([undefined]), /`\/0` is undefined/);
});

test("dates are written as text, as JSON does", () => {
  assert.equal(decode(encode(new Date(0))), "1970-01-01T00:00:00.000Z");
});

test("bytes that are no CBOR are refused in words", () => {
  assert.throws(() => decode(bytes("19")), /end in the middle/);
  assert.throws(() => decode(bytes("7b00000000ffffffff")), /end in the middle/);
  assert.throws(() => decode(bytes("9f01ff")), /left open/);
  assert.throws(() => decode(bytes("0000")), /after the value/);
  assert.throws(() => decode(bytes("62ffff")), TypeError);
  assert.equal(decode(bytes("c249010000000000000000")), 2n ** 64n);
});
