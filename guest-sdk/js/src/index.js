// cofferdam-op: write ops for Cofferdam in JavaScript or TypeScript.

export { op } from "./op.js";
export { bytes, dynamic, many, optional, reader, verdict } from "./ports.js";
export { failed, passed } from "./emit.js";
export { Failure, Fault } from "./failure.js";
export { fact, withMetadata } from "./metadata.js";
export { Reader } from "./values.js";
export { fakes, testContext } from "./testing.js";
export { Int64, Type } from "./type.js";
