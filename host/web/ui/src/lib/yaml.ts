// Writes YAML as a person would: what the server keeps of a run config is JSON.
import type { Json } from "../api/types";

/** A string as YAML takes it: plain where that says the same. */
export const yamlText = (text: string) =>
  /^[A-Za-z_][\w ./-]*$/.test(text) && !/^(true|false|null|yes|no|on|off|y|n)$/i.test(text) && !text.endsWith(" ") ? text : JSON.stringify(text);

/** The run config as YAML; a text that is no JSON object is left as it is, and an empty object is nothing. */
export function asYaml(text: string): string {
  let value: Json;
  try {
    value = JSON.parse(text) as Json;
  } catch {
    return text.trim();
  }
  return isFilled(value) ? block(value, 0) : "";
}

type Filled = Json[] | { [key: string]: Json };
const isFilled = (value: Json): value is Filled => typeof value === "object" && value !== null && Object.keys(value).length > 0;

function block(value: Filled, depth: number): string {
  const lead = " ".repeat(depth);
  if (Array.isArray(value))
    return value.map((item) => (isFilled(item) ? `${lead}- ${block(item, depth + 2).trimStart()}` : `${lead}- ${scalar(item)}\n`)).join("");
  return Object.entries(value)
    .map(([key, item]) => (isFilled(item) ? `${lead}${yamlText(key)}:\n${block(item, depth + 2)}` : `${lead}${yamlText(key)}: ${scalar(item)}\n`))
    .join("");
}

const scalar = (value: Json) => (typeof value === "string" ? yamlText(value) : JSON.stringify(value));
