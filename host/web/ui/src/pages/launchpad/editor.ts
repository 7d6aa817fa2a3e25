// The YAML editor. It lives in a shadow root, where its styles are constructed sheets: a strict Content-Security-Policy refuses
// the <style> elements that it would make in the page. What is wrong comes from the server, completion from the job's schema.
import { autocompletion, type Completion, type CompletionContext, type CompletionResult, completionKeymap, startCompletion } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { yaml } from "@codemirror/lang-yaml";
import { bracketMatching, HighlightStyle, indentOnInput, indentUnit, syntaxHighlighting } from "@codemirror/language";
import { type Diagnostic as Mark, lintGutter, setDiagnostics } from "@codemirror/lint";
import { EditorState, Prec, type Text } from "@codemirror/state";
import { drawSelection, EditorView, highlightActiveLine, keymap, lineNumbers } from "@codemirror/view";
import { tags } from "@lezer/highlight";
import type { Diagnostic, Json } from "../../api/types";
import { type Choice, keysAt, valuesAt } from "../../lib/jsonschema";
import { placeAt } from "../../lib/yamlpath";
import { RUN_CONFIG } from "../../parts/Diagnostics";
import { t } from "../../strings";

export type EditorHooks = { schema: () => Json; onText: (text: string) => void; onPath: (path: string[]) => void; onLaunch: () => void };

/** A line of YAML with a value: what comes before the value, and the value. */
const VALUE = /^(\s*(?:- )?[^#\s:][^:]*: +)(\S.*)$/;

export function createEditor(parent: HTMLElement, text: string, hooks: EditorHooks): { view: EditorView; destroy: () => void } {
  const host = parent.appendChild(document.createElement("div"));
  host.className = "h-full";
  const root = host.attachShadow({ mode: "open" });
  const inner = root.appendChild(document.createElement("div"));
  inner.style.height = "100%";
  const view = new EditorView({ parent: inner, root, state: EditorState.create({ doc: text, extensions: extensions(hooks) }) });
  return {
    view,
    destroy: () => {
      view.destroy();
      host.remove();
    },
  };
}

function extensions(hooks: EditorHooks) {
  return [
    Prec.highest(keymap.of([{ key: "Mod-Enter", run: () => (hooks.onLaunch(), true) }])),
    lineNumbers(), history(), drawSelection(), indentOnInput(), bracketMatching(), highlightActiveLine(), lintGutter(), yaml(),
    indentUnit.of("  "), EditorView.lineWrapping,
    autocompletion({ override: [(context) => complete(context, hooks.schema())], icons: false }),
    keymap.of([...completionKeymap, ...defaultKeymap, ...historyKeymap]),
    syntaxHighlighting(COLOURS), THEME,
    EditorView.contentAttributes.of({ "aria-label": t.launchpad.editor }),
    EditorView.updateListener.of((update) => {
      if (update.docChanged) hooks.onText(update.state.doc.toString());
      if (update.docChanged || update.selectionSet) {
        const { path, at, word } = placeAt(update.state.doc.toString(), update.state.selection.main.head);
        hooks.onPath(at === "key" && word ? [...path, word.trim()] : path);
      }
    }),
  ];
}

function complete(context: CompletionContext, schema: Json): CompletionResult | null {
  const place = placeAt(context.state.doc.toString(), context.pos);
  const line = context.state.doc.lineAt(context.pos);
  const word = context.matchBefore(/[\w./-]*/);
  if (!word || (word.from === word.to && !context.explicit)) return null;
  if (place.at === "value" && !/:\s+\S*$/.test(line.text.slice(0, context.pos - line.from))) return null;
  const choices = place.at === "key" ? keysAt(schema, place.path).filter((c) => !place.siblings.includes(c.label)) : valuesAt(schema, place.path);
  if (choices.length === 0) return null;
  return { from: word.from, options: choices.map((choice) => option(choice, place.at, place.indent)), validFor: /^[\w./-]*$/ };
}

function option(choice: Choice, at: "key" | "value", indent: number): Completion {
  const text = at === "value" ? choice.label : choice.opens ? `${choice.label}:\n${" ".repeat(indent + 2)}` : `${choice.label}: `;
  return {
    label: choice.label, detail: `${choice.detail}${choice.required ? ` ${t.types.required}` : ""}`, info: choice.info || undefined, boost: choice.required ? 10 : 0,
    apply: (view, _, from, to) => {
      view.dispatch({ changes: { from, to, insert: text }, selection: { anchor: from + text.length }, userEvent: "input.complete" });
      if (at === "key") startCompletion(view);
    },
  };
}

/** Where in the text a place is; columns count characters, as the server's do. */
export function offsetOf(doc: Text, line: number | null, column: number | null): number {
  const at = doc.line(Math.min(Math.max(1, line ?? 1), doc.lines));
  return at.from + Math.min(at.length, [...at.text].slice(0, Math.max(0, (column ?? 1) - 1)).join("").length);
}

/** Other places are in the definitions. */
export const inConfig = (d: Diagnostic) => d.line !== null && (d.file === null || d.file === RUN_CONFIG);

/** The word that the hint offers instead, if it offers one. */
export const offered = (diagnostic: Diagnostic) => /did you mean `([^`]+)`/i.exec(diagnostic.hint ?? "")?.[1] ?? null;

export function span(doc: Text, d: Diagnostic): { from: number; to: number } {
  const from = offsetOf(doc, d.line, d.column);
  const to = d.endLine === null ? from : offsetOf(doc, d.endLine, d.endColumn);
  return to > from ? { from, to } : { from, to: Math.max(from, doc.lineAt(from).to) };
}

export function mend(view: EditorView, d: Diagnostic) {
  const word = offered(d);
  if (word) view.dispatch({ changes: { ...span(view.state.doc, d), insert: word }, userEvent: "input" });
}

export function show(view: EditorView, diagnostics: Diagnostic[]) {
  const { doc } = view.state;
  const marks = diagnostics.filter(inConfig).map((d): Mark => {
    const word = offered(d);
    return {
      ...span(doc, d), severity: d.severity === "ERROR" ? "error" : "warning", message: d.hint ? `${d.message}\n${t.hint}: ${d.hint}` : d.message,
      actions: word ? [{ name: t.launchpad.use(word), apply: () => mend(view, d) }] : [],
    };
  });
  view.dispatch(setDiagnostics(view.state, marks.sort((a, b) => a.from - b.from)));
}

/** Replaces the text so that undo brings the old one back, and selects the first value that is new, for typing over. */
export function replace(view: EditorView, text: string) {
  view.dispatch({
    changes: { from: 0, to: view.state.doc.length, insert: text }, scrollIntoView: true,
    selection: firstNew(view.state.doc.toString(), text) ?? { anchor: Math.min(view.state.selection.main.head, text.length) },
  });
  takeFocus(view);
}

/** A scaffold may come while somebody types elsewhere already, as in the palette: their keys stay theirs. */
export function takeFocus(view: EditorView) {
  if (!document.activeElement?.closest("[role=dialog]")) view.focus();
}

function firstNew(old: string, text: string): { anchor: number; head: number } | null {
  const known = new Set(old.split("\n"));
  let at = 0;
  for (const line of text.split("\n")) {
    const value = known.has(line) ? null : VALUE.exec(line);
    if (value) return { anchor: at + value[1]!.length, head: at + line.length };
    at += line.length + 1;
  }
  return null;
}

export function goTo(view: EditorView, d: Diagnostic) {
  const { from } = span(view.state.doc, d);
  view.dispatch({ selection: { anchor: from }, scrollIntoView: true });
  view.focus();
}

const COLOURS = HighlightStyle.define([
  { tag: [tags.propertyName, tags.definition(tags.propertyName)], color: "var(--accent)" },
  { tag: [tags.string, tags.special(tags.string)], color: "var(--succeeded)" },
  { tag: [tags.number, tags.bool, tags.null, tags.keyword], color: "var(--skipped)" },
  { tag: [tags.comment, tags.lineComment], color: "var(--muted)", fontStyle: "italic" },
  { tag: [tags.typeName, tags.meta], color: "var(--failed)" },
]);

const THEME = EditorView.theme({
  "&": { height: "100%", fontSize: "13px", color: "var(--text)", backgroundColor: "var(--panel)" },
  "&.cm-focused": { outline: "2px solid var(--focus)", outlineOffset: "-2px" },
  ".cm-scroller": { fontFamily: "var(--font-mono, monospace)", lineHeight: "1.55" },
  ".cm-content": { caretColor: "var(--text)" },
  ".cm-cursor": { borderLeftColor: "var(--text)" },
  ".cm-gutters": { backgroundColor: "var(--panel)", color: "var(--muted)", borderRight: "1px solid var(--line)" },
  ".cm-activeLine": { backgroundColor: "color-mix(in oklab, var(--text) 4%, transparent)" },
  "&.cm-focused .cm-selectionBackground, .cm-selectionBackground": { backgroundColor: "color-mix(in oklab, var(--accent) 25%, transparent) !important" },
  ".cm-tooltip": { backgroundColor: "var(--panel)", color: "var(--text)", border: "1px solid var(--line)", borderRadius: "6px" },
  ".cm-tooltip-autocomplete ul li[aria-selected]": { backgroundColor: "var(--raised)", color: "var(--text)" },
  ".cm-completionDetail": { color: "var(--muted)", fontStyle: "normal" },
  ".cm-completionMatchedText": { textDecoration: "none", fontWeight: "700" },
  ".cm-diagnostic": { whiteSpace: "pre-wrap", maxWidth: "480px" },
  ".cm-diagnosticAction": { backgroundColor: "var(--accent)", color: "var(--on-accent)" },
  ".cm-lintRange-error": { backgroundImage: "none", textDecoration: "underline wavy", textDecorationColor: "var(--failed)", textUnderlineOffset: "3px" },
  ".cm-lintRange-warning": { backgroundImage: "none", textDecoration: "underline wavy", textDecorationColor: "var(--retrying)", textUnderlineOffset: "3px" },
});
