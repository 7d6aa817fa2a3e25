// The inputs and outputs of an op or a step, with their types in a word.
import type { Json, Port } from "../api/types";
import { t } from "../strings";

/** `text`, `list of integer`, `table`: what a schema and a media type come to. */
export function typeWord(port: Pick<Port, "mediaType" | "schema">): string {
  const { mediaType } = port;
  if (mediaType.includes("arrow")) return t.types.table;
  if (mediaType !== "application/cbor") return mediaType;
  return schemaWord(port.schema);
}

function schemaWord(schema: Json): string {
  if (typeof schema !== "object" || schema === null || Array.isArray(schema)) return t.types.any;
  if (typeof schema.$ref === "string") return schema.$ref.split("/").at(-1)!;
  if (schema.type === "array") return schema.items === undefined ? t.types.list : t.types.listOf(schemaWord(schema.items));
  if (schema.type === "string") return t.types.text;
  if (typeof schema.title === "string" && schema.type !== "integer" && schema.type !== "number" && schema.type !== "boolean") return schema.title;
  if (typeof schema.type === "string") return schema.type;
  return Array.isArray(schema.type) ? schema.type.join(" or ") : t.types.any;
}

export function Ports({ title, ports }: { title: string; ports: Port[] }) {
  return (
    <div>
      <h3>{title}</h3>
      {ports.length === 0 ? <p className="text-muted">{t.types.none}</p> : (
        <ul>{ports.map((port) => (
          <li key={port.name} className="py-0.5">
            <code className="mono font-semibold">{port.name}</code>{" "}
            <span className="mono text-muted">{typeWord(port)}{port.many ? ` ${t.types.many}` : ""}{port.dynamic ? ` ${t.types.dynamic}` : ""}{port.required ? "" : ` ${t.types.optional}`}</span>
            {port.description && <span className="block text-muted">{port.description}</span>}
          </li>
        ))}</ul>
      )}
    </div>
  );
}

/** The keys of a config as its schema says them. */
export function ConfigKeys({ schema }: { schema: Json }) {
  if (typeof schema !== "object" || schema === null || Array.isArray(schema)) return null;
  const properties = schema.properties;
  if (typeof properties !== "object" || properties === null || Array.isArray(properties)) return null;
  const required = Array.isArray(schema.required) ? schema.required : [];
  return (
    <div>
      <h3>{t.types.config}</h3>
      <ul>{Object.entries(properties).map(([key, property]) => {
        const of = typeof property === "object" && property !== null && !Array.isArray(property) ? property : {};
        return (
          <li key={key} className="py-0.5">
            <code className="mono font-semibold">{key}</code>{" "}
            <span className="mono text-muted">
              {Array.isArray(of.enum) ? t.types.oneOf(of.enum.join(", ")) : schemaWord(property)}
              {required.includes(key) ? ` ${t.types.required}` : ""}{"default" in of ? ` = ${JSON.stringify(of.default)}` : ""}
            </span>
            {typeof of.description === "string" && <span className="block text-muted">{of.description}</span>}
          </li>
        );
      })}</ul>
    </div>
  );
}
