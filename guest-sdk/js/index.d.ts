// What authors use. Types of inputs, config and outputs follow from their schemas.

import type {
  Any, Array as TypeArray, Boolean as TypeBoolean, Enum, Integer, Literal, Null, Number as TypeNumber, Object as TypeObject,
  Optional, Static, String as TypeString, TSchema, TSchemaOptions, TUnsafe, Tuple, Union, Unknown, Unsafe,
} from "typebox";

/** The type of a schema's values: `Static<typeof Airline>`. */
export type { Static } from "typebox";

/** `Type.String()`, `Type.Object({ … })` and so on: the schemas of TypeBox that JSON Schema can express. */
export declare const Type: {
  Any: typeof Any;
  Array: typeof TypeArray;
  Boolean: typeof TypeBoolean;
  Enum: typeof Enum;
  Integer: typeof Integer;
  Literal: typeof Literal;
  Null: typeof Null;
  Number: typeof TypeNumber;
  Object: typeof TypeObject;
  Optional: typeof Optional;
  /** An object with any keys, all of whose values are alike. */
  Record<S extends TSchema>(key: TSchema, value: S, options?: TSchemaOptions): TUnsafe<Record<string, Static<S>>>;
  String: typeof TypeString;
  Tuple: typeof Tuple;
  Union: typeof Union;
  Unknown: typeof Unknown;
  Unsafe: typeof Unsafe;
};

/** A whole number of 64 bits: a `bigint` where a `number` would not be exact. Either may be written. */
export declare function Int64(options?: TSchemaOptions): TUnsafe<number | bigint>;

declare const PORT: unique symbol;

/** An input or output that is more than a structured value. `In` is what the op gets, `Out` what it returns. */
export interface Port<In, Out, Optional extends boolean = false> {
  readonly [PORT]: { in: In; out: Out; optional: Optional };
}

/** A schema of TypeBox, a JSON Schema, or a port. */
export type Given = TSchema | Port<unknown, unknown, boolean>;

type InOf<G> = G extends Port<infer In, unknown, infer O> ? (O extends true ? In | undefined : In)
  : G extends { "~optional": true } ? Static<G> | undefined
  : G extends TSchema ? Static<G> : never;
type OutOf<G> = G extends Port<unknown, infer Out, boolean> ? Out : G extends TSchema ? Static<G> | WithMetadata<Static<G>> : never;
type IsOptional<G> = G extends Port<unknown, unknown, true> ? true : G extends { "~optional": true } ? true : false;

/** One element of a fan-in list or of a collected dynamic output. */
export interface Element<T> {
  /** The mapping key, where the source is a dynamic output. */
  readonly key: string | undefined;
  readonly value: T;
}

/** What a dynamic output is returned as. */
export type Pairs<T> = Map<string, T> | Iterable<readonly [string, T]> | AsyncIterable<readonly [string, T]>;

/** An input that may be absent (`undefined`), or an output that may be left out. */
export declare function optional<const G extends Given>(inner: G): Port<InOf<G>, OutOf<G>, true>;
/** An input that takes a fan-in list or a collected dynamic output. */
export declare function many<const G extends Given>(inner: G): Port<Element<InOf<G>>[], never>;
/** An output of any number of values, each under a key of its own. */
export declare function dynamic<const G extends Given>(inner: G): Port<never, Pairs<OutOf<G>>>;
/** Bytes as they are; `application/octet-stream` if nothing else is said. */
export declare function bytes(mediaType?: string, options?: { doc?: string }): Port<Uint8Array, Bytes | WithMetadata<Bytes>>;
/** An input of bytes that is read piece by piece. */
export declare function reader(mediaType?: string, options?: { doc?: string }): Port<Reader, never>;
/** What an asset check returns. */
export declare const verdict: Port<never, Verdict>;

/** What an output of bytes may be: text is written as UTF-8. */
export type Bytes = Uint8Array | ArrayBuffer | string | Stored;

export interface ResourceKinds {
  http: Http;
  keyvalue: Keyvalue;
  blob: Blob;
  sql: Sql;
  config: Settings;
  command: Command;
}
type Kind = keyof ResourceKinds;
type Need = Kind | { kind: Kind; doc?: string };
type Lent<N> = N extends Kind ? ResourceKinds[N] : N extends { kind: infer K extends Kind } ? ResourceKinds[K] : never;

type Inputs = Record<string, Given>;
type Optionals<T> = { [K in keyof T as IsOptional<T[K]> extends true ? K : never]?: T[K] };
type Needed<T> = { [K in keyof T as IsOptional<T[K]> extends true ? never : K]: T[K] };
type InsOf<T> = { [K in keyof Needed<T>]: InOf<Needed<T>[K]> } & { [K in keyof Optionals<T>]?: InOf<T[K & keyof T]> };
type OutsOf<T> = { [K in keyof Needed<T>]: OutOf<Needed<T>[K]> } & { [K in keyof Optionals<T>]?: OutOf<T[K & keyof T]> };
type Result<One, Several> = [One] extends [Given]
  ? IsOptional<One> extends true ? OutOf<One> | undefined : OutOf<One>
  : [Several] extends [Inputs] ? OutsOf<Several> : void;

export interface OpSpec<I, One, Several, C, R> {
  /** The op's name; that of the export if it is not given. */
  name?: string;
  /** Markdown; the first line is the summary. */
  doc?: string;
  inputs?: I;
  /** The one value that the op returns. */
  output?: One;
  /** Several, by name: the op returns an object with them. */
  outputs?: Several;
  /** Keys that it does not list are refused. */
  config?: C;
  /** What the op uses while it runs, by its own name for it. */
  resources?: R;
  /** Equal inputs and config give equal outputs: an earlier result may be taken. */
  pure?: boolean;
}

/** An op: exported from a module, it is part of the library. A test may call it. */
export interface Op<Ins, Out, C, R> {
  (inputs?: Ins, ctx?: Context<C, R>): Out;
}

/** Makes an op of a function, which may be async. */
export declare function op<
  const I extends Inputs = {},
  const One extends Given | undefined = undefined,
  const Several extends Inputs | undefined = undefined,
  const C extends TSchema = never,
  const R extends Record<string, Need> = {},
  Out extends Result<One, Several> | Promise<Result<One, Several>> = Result<One, Several> | Promise<Result<One, Several>>,
>(
  spec: OpSpec<I, One, Several, C, R>,
  fn: (inputs: InsOf<I>, ctx: Context<[C] extends [never] ? undefined : Static<C>, { readonly [K in keyof R]: Lent<R[K]> }>) => Out,
): Op<InsOf<I>, Out, any, any>;

/** Logs, progress, metadata, and who is running. */
export interface Context<C = unknown, R = unknown> {
  /** Complete: defaults are filled in. */
  readonly config: C;
  readonly resources: R;
  readonly log: Record<"trace" | "debug" | "info" | "warn" | "error", (message: string, fields?: Record<string, unknown>) => void>;
  /** Says how far the work is: `done` of `total`, if the total is known. */
  progress(done: number, total?: number | null, message?: string): void;
  /** States a fact about the step. A name given twice keeps the later value. */
  metadata(name: string, value: FactValue): void;
  metadata(facts: Facts): void;
  readonly attempt: AttemptInfo;
  /** Milliseconds until the host stops this attempt; undefined if there is no limit. */
  remaining(): number | undefined;
  /** Starts an output that is too large to hold. */
  createWriter(): Writer;
}

export interface AttemptInfo {
  readonly runId: string;
  /** Dotted, with mapping keys: `outer.clean[jan]`. */
  readonly stepKey: string;
  /** 1 for the first try. */
  readonly attempt: number;
  /** The same for every attempt of this step in this run: send it with effects outside. */
  readonly idempotencyKey: string;
  /** Of a run over partitions. */
  readonly partition: string | null;
  readonly tags: Readonly<Record<string, string>>;
}

declare const FACT: unique symbol;
export interface Fact {
  readonly [FACT]: true;
}
/** Objects become JSON, dates timestamps. */
export type FactValue = string | number | bigint | boolean | Date | Fact | object;
export type Facts = Record<string, FactValue>;

/** Facts that are shown in another way than plain values are. */
export declare const fact: {
  integer(value: number | bigint): Fact;
  number(value: number): Fact;
  url(text: string): Fact;
  path(text: string): Fact;
  json(value: unknown): Fact;
  markdown(text: string): Fact;
  table(rows: readonly object[] | string): Fact;
  timestamp(time: Date | string): Fact;
};

export interface WithMetadata<T> {
  readonly value: T;
  readonly metadata: Facts;
}
/** A value with facts that are shown with it. */
export declare function withMetadata<T>(value: T, metadata: Facts): WithMetadata<T>;

export interface FailureOptions {
  /** The step fails now, whatever its retry policy says. */
  permanent?: boolean;
  /** Try again, not before so many milliseconds have passed. */
  retryAfter?: number;
  metadata?: Facts;
  cause?: unknown;
}
/** An error that says what its op knows about trying again. */
export declare class Failure extends Error {
  constructor(message: string, options?: FailureOptions);
}

export type FaultKind = "denied" | "invalid" | "unavailable" | "failed" | "too-large";
/** Why a call on a resource did not succeed. */
export declare class Fault extends Error {
  constructor(kind: FaultKind, message: string);
  readonly kind: FaultKind;
}

export interface Verdict {
  readonly passed: boolean;
}
export interface VerdictOptions {
  severity?: "warn" | "error";
  metadata?: Facts;
}
export declare function passed(options?: VerdictOptions & { description?: string }): Verdict;
export declare function failed(why: string, options?: VerdictOptions): Verdict;

/** Reads one input from front to back or from anywhere. */
export declare class Reader implements Iterable<Uint8Array> {
  private constructor();
  /** Reads these bytes, or this text: for tests. */
  static from(content: Uint8Array | string, mediaType?: string): Reader;
  readonly size: number;
  readonly mediaType: string;
  /** Exactly `length` bytes from `offset`; fewer only at the end. */
  readAt(offset: number, length: number): Uint8Array;
  /** The next bytes, at most `length`; none at the end. */
  read(length?: number): Uint8Array;
  /** All bytes that are left. */
  bytes(): Uint8Array;
  /** All that is left, as text. */
  text(): string;
  /** Lines of text, without their ends. */
  lines(): IterableIterator<string>;
  /** Chunks of 256 KiB. */
  [Symbol.iterator](): IterableIterator<Uint8Array>;
}

declare const STORED: unique symbol;
/** A finished value; return it as an output of `bytes`. */
export interface Stored {
  readonly [STORED]: true;
}
/** Writes one output from front to back; at most 256 KiB of it are in memory. */
export interface Writer {
  write(content: Uint8Array | string): void;
  finish(): Stored;
}

/** Bytes by key. */
export interface Keyvalue {
  get(key: string): Uint8Array | undefined;
  getText(key: string): string | undefined;
  set(key: string, value: Uint8Array | string): void;
  remove(key: string): void;
  keys(prefix?: string): string[];
}

/** Objects in a bucket or folder. */
export interface Blob {
  read(path: string): Uint8Array | undefined;
  readText(path: string): string | undefined;
  readAt(path: string, offset: number, length: number): Uint8Array | undefined;
  size(path: string): number | undefined;
  write(path: string, content: Uint8Array | string): void;
  remove(path: string): void;
  list(prefix?: string): string[];
}

/** Named texts, secrets among them. Do not log what you read here. */
export interface Settings {
  get(key: string): string | undefined;
  require(key: string): string;
}

export type SqlValue = null | boolean | number | bigint | string | Uint8Array;
/** A database. Parameters are written `?` in SQLite and `$1` in PostgreSQL. */
export interface Sql {
  query<Row = Record<string, SqlValue>>(text: string, parameters?: readonly (SqlValue | undefined | Date)[]): Row[];
  execute(text: string, parameters?: readonly (SqlValue | undefined | Date)[]): number;
  transact(statements: readonly (readonly [text: string, parameters?: readonly SqlValue[]])[]): number;
}

export interface HttpRequest {
  method?: string;
  /** Path and query, relative to the resource's base address. */
  path: string;
  headers?: Record<string, string> | readonly (readonly [string, string])[];
  body?: Uint8Array | string;
}
export interface HttpResponse {
  readonly status: number;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: Uint8Array;
  header(name: string): string | undefined;
  /** Itself if its status is below 400; else an error, permanent unless it is trouble of the other side. */
  ok(): HttpResponse;
  text(): string;
  json<T = unknown>(): T;
}
/** Requests to the base address of the resource. */
export interface Http {
  send(request: HttpRequest): HttpResponse;
  get(path: string): HttpResponse;
  postJson(path: string, value: unknown): HttpResponse;
}

export interface CommandOutcome {
  /** Undefined if a signal ended it. */
  readonly exitCode: number | undefined;
  readonly stdout: Uint8Array;
  readonly stderr: Uint8Array;
  ok(): CommandOutcome;
  text(): string;
}
/** One program of the host, from its operator's list. */
export interface Command {
  run(args?: readonly unknown[], stdin?: Uint8Array | string): CommandOutcome;
}

/** A context that records instead of sending. */
export interface TestContext extends Context<any, any> {
  readonly recorded: {
    logs: { level: string; message: string; fields: Record<string, string> }[];
    progress: { done: number; total: number | undefined; message: string }[];
    metadata: Record<string, unknown>;
  };
  /** The bytes that a writer of this context wrote. */
  bytesOf(stored: Stored): Uint8Array;
}
declare const FAKE: unique symbol;
export interface Fake {
  readonly [FAKE]: true;
}
export declare function testContext(options?: {
  config?: unknown;
  resources?: Record<string, Fake>;
  attempt?: Partial<AttemptInfo>;
  /** Milliseconds. */
  remaining?: number;
}): TestContext;

/** Doubles of resources. Stores are kept in memory, the others answer as the function says. */
export declare const fakes: {
  keyvalue(given?: Record<string, Uint8Array | string>): Fake;
  blob(given?: Record<string, Uint8Array | string>): Fake;
  settings(given?: Record<string, string>): Fake;
  sql(answer: (text: string, parameters: SqlValue[]) => Record<string, SqlValue>[] | number): Fake;
  http(answer: (request: { method: string; path: string; headers: [string, string][]; body: Uint8Array }) => { status: number; headers?: [string, string][]; body?: Uint8Array | string }): Fake;
  command(answer: (args: string[], stdin: Uint8Array) => { exitCode?: number; stdout?: Uint8Array | string; stderr?: Uint8Array | string }): Fake;
  /** To be thrown by an answer. */
  fault(kind: FaultKind, message: string): Fault;
};
