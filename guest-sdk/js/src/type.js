// The schemas that ops are described with: those of TypeBox that JSON Schema can express. They are taken one by one
// because all of TypeBox adds 3 MB to a component.

import {
  Any, Array, Boolean, Enum, Integer, Literal, Null, Number, Object, Optional, String, Tuple, Union, Unknown, Unsafe,
} from "typebox";

/** An object with any keys, all of whose values are alike. TypeBox's own brings its language of patterns along. */
function Record(_key, value, options = {}) {
  return Unsafe({ ...options, type: "object", additionalProperties: value });
}

/** `Type.String()`, `Type.Object({ … })` and so on. */
export const Type = {
  Any, Array, Boolean, Enum, Integer, Literal, Null, Number, Object, Optional, Record, String, Tuple, Union, Unknown, Unsafe,
};

/** A whole number of 64 bits: a `bigint` where a `number` would not be exact. Either may be written. */
export function Int64(options = {}) {
  return Unsafe({ ...options, type: "integer" });
}
