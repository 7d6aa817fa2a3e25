// Large values.

import { Int64, Type, bytes, op, reader } from "cofferdam-op";

/** What is handed to the writer at a time, in bytes. */
const PIECE_BYTES = 64 * 1024;

export const produce = op({
  doc: "Writes bytes piece by piece.",
  config: Type.Object({ size: Type.Integer() }),
  output: bytes(),
}, (_, ctx) => {
  const writer = ctx.createWriter();
  const { size } = ctx.config;
  for (let start = 0; start < size; start += PIECE_BYTES) {
    const piece = new Uint8Array(Math.min(PIECE_BYTES, size - start));
    for (let i = 0; i < piece.length; i++) piece[i] = (start + i) * 31 + Math.floor((start + i) / 256);
    writer.write(piece);
  }
  return writer.finish();
});

export const consume = op({
  doc: "Adds bytes piece by piece.",
  inputs: { file: reader() },
  output: Type.Object({ size: Type.Integer(), sum: Type.Integer() }),
}, ({ file }) => {
  let sum = 0;
  for (const piece of file) for (let i = 0; i < piece.length; i++) sum = (sum + piece[i]) >>> 0;
  return { size: file.size, sum };
});

export const slice = op({
  doc: "Reads a part of a file.",
  inputs: { file: reader() },
  config: Type.Object({ offset: Type.Integer(), length: Type.Integer() }),
  output: bytes(),
}, ({ file }, { config }) => file.readAt(config.offset, config.length));

export const repeat = op({
  doc: "Repeats a text.",
  config: Type.Object({ text: Type.String(), times: Type.Integer() }),
  output: Type.String(),
}, (_, { config }) => config.text.repeat(config.times));

export const length = op({
  doc: "Counts the code points of a text.",
  inputs: { value: Type.String() },
  output: Int64(),
}, ({ value }) => {
  let count = 0;
  for (const _ of value) count += 1;
  return count;
});

export const page = op({
  doc: "Writes a page.",
  config: Type.Object({ title: Type.String() }),
  output: bytes("text/html"),
}, (_, { config }) => `<h1>${config.title}</h1>`);
