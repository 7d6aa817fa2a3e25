// Ops that fail.

import { Failure, Int64, Type, op } from "cofferdam-op";

export const fail = op({
  doc: "Fails with a cause and a fact.",
  config: Type.Object({ message: Type.String() }),
  output: Int64(),
}, (_, { config }) => {
  throw new Failure(config.message, { cause: new Error("the disk is full"), metadata: { tried: 3 } });
});

export const fail_permanent = op({ doc: "Fails for good.", output: Int64() }, () => {
  throw new Failure("it stays wrong", { permanent: true });
});

export const fail_later = op({
  doc: "Asks to be tried later.",
  config: Type.Object({ milliseconds: Type.Integer() }),
  output: Int64(),
}, async (_, ctx) => {
  const { attempt } = ctx.attempt;
  if (attempt === 1) throw new Failure("not yet", { retryAfter: ctx.config.milliseconds });
  return attempt;
});

export const flaky = op({
  doc: "Fails until an attempt.",
  config: Type.Object({ attempts: Type.Integer() }),
  output: Int64(),
}, (_, ctx) => {
  const { attempt } = ctx.attempt;
  if (attempt < ctx.config.attempts) throw new Error(`attempt ${attempt}`);
  return attempt;
});

export const crash = op({ doc: "Looks past the end of a list.", output: Int64() }, () => {
  const list = [{ size: 1 }];
  return list[7].size;
});
