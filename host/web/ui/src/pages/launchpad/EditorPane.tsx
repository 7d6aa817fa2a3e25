// The editor as a part of the page: made once, told of the schema and of what is wrong.
import type { EditorView } from "@codemirror/view";
import { type Ref, useEffect, useImperativeHandle, useRef } from "react";
import type { Diagnostic, Json } from "../../api/types";
import { createEditor, show, takeFocus } from "./editor";

export type EditorHandle = { view: EditorView };

type Props = {
  ref: Ref<EditorHandle>; initial: string; schema: Json;
  /** Null while the server has not judged the text yet: the old marks stay where they moved to. */
  diagnostics: Diagnostic[] | null;
  onText: (text: string) => void; onPath: (path: string[]) => void; onLaunch: () => void;
};

export function EditorPane({ ref, diagnostics, ...props }: Props) {
  const holder = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView>(null);
  const latest = useRef(props);
  latest.current = props;
  useEffect(() => {
    const editor = createEditor(holder.current!, latest.current.initial, {
      schema: () => latest.current.schema,
      onText: (text) => latest.current.onText(text),
      onPath: (path) => latest.current.onPath(path),
      onLaunch: () => latest.current.onLaunch(),
    });
    view.current = editor.view;
    takeFocus(editor.view);
    return editor.destroy;
  }, []);
  useImperativeHandle(ref, () => ({ get view() { return view.current!; } }), []);
  useEffect(() => {
    if (diagnostics && view.current) show(view.current, diagnostics);
  }, [diagnostics]);
  return <div ref={holder} data-editor className="h-[min(52vh,460px)] min-h-56" />;
}
