// Where the cursor is in a YAML text that may be half written: by indentation alone, so that it works while nothing parses.

/** The keys above the cursor from the outermost (`*` for an item of a list), what is typed of the word there, and whether that
 * word is a key or the value of the last key of `path`. `siblings` are the keys that the same mapping has already. */
export type Place = { path: string[]; at: "key" | "value"; word: string; indent: number; siblings: string[] };

type Line = { indent: number; key: string | null; items: number; rest: string };

export function placeAt(text: string, offset: number): Place {
  const before = text.slice(0, offset).split("\n");
  const current = before.pop() ?? "";
  const here = parse(current);
  const path: string[] = [];
  let indent = here.indent;
  let items = here.items;
  for (let i = before.length - 1; i >= 0 && (indent > 0 || items > 0); i--) {
    const line = parse(before[i]!);
    if (line.key === null && line.items === 0) continue;
    const keyIndent = line.indent;
    if (line.key !== null && (keyIndent < indent - items * 2 || (items > 0 && keyIndent === indent - items * 2 && line.items === 0))) {
      for (; items > 0; items--) path.unshift("*");
      path.unshift(line.key);
      indent = line.indent;
      items = line.items;
    } else if (line.items > 0 && keyIndent === indent && items === 0) {
      items = line.items;
    }
  }
  for (; items > 0; items--) path.unshift("*");
  const at = here.key === null ? "key" : "value";
  if (here.key !== null) path.push(here.key);
  return { path, at, word: here.rest, indent: here.indent, siblings: siblingsOf(text, offset, here.indent) };
}

/** Indentation counts from the key: that of `- a: 1` is 2 more than that of the dash. */
function parse(line: string): Line {
  const lead = /^((?:\s|- +|-$)*)/.exec(line)![1]!;
  const items = (lead.match(/-/g) ?? []).length;
  const body = line.slice(lead.length);
  if (body.startsWith("#")) return { indent: lead.length, key: null, items: 0, rest: "" };
  const pair = /^(?:"([^"]*)"|'([^']*)'|([^\s:#][^:#]*?))\s*:(?:\s+(.*)|$)/.exec(body);
  if (pair) return { indent: lead.length, key: pair[1] ?? pair[2] ?? pair[3]!, items, rest: pair[4] ?? "" };
  return { indent: lead.length, key: null, items, rest: body };
}

function siblingsOf(text: string, offset: number, indent: number): string[] {
  const lines = text.split("\n");
  const at = text.slice(0, offset).split("\n").length - 1;
  const keys: string[] = [];
  const scan = (from: number, step: 1 | -1) => {
    for (let i = from; i >= 0 && i < lines.length; i += step) {
      const line = parse(lines[i]!);
      if (lines[i]!.trim() === "" || (line.key === null && line.items === 0)) continue;
      if (line.indent < indent || (line.items > 0 && step === 1)) break;
      if (line.key !== null && line.indent === indent) keys.push(line.key);
      if (line.items > 0 && line.indent === indent) break;
    }
  };
  scan(at - 1, -1);
  scan(at + 1, 1);
  return keys;
}
