// From a source map to what an error in the sandbox needs of it: the author's file and line of each line of the bundle.

const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/** By line of the bundle, counted from 1: `file:line`. `own` says which files are the author's. */
export function decodeMappings({ mappings, sources }, own) {
  const lines = {};
  let source = 0;
  let line = 0;
  for (const [index, segments] of mappings.split(";").entries()) {
    for (const segment of segments === "" ? [] : segments.split(",")) {
      const [, toSource = 0, toLine = 0] = numbers(segment);
      source += toSource;
      line += toLine;
      // The first place of a line is the one that is told.
      if (own(sources[source])) lines[index + 1] ??= `${sources[source]}:${line + 1}`;
    }
  }
  return lines;
}

/** Numbers in base 64, five bits a digit, lowest first; the lowest bit of a number is its sign. */
function numbers(text) {
  const found = [];
  let value = 0;
  let shift = 0;
  for (const letter of text) {
    const digit = DIGITS.indexOf(letter);
    value += (digit & 31) << shift;
    shift += 5;
    if (digit & 32) continue;
    found.push(value & 1 ? -(value >> 1) : value >> 1);
    value = shift = 0;
  }
  return found;
}
