// A field for PromQL: highlighted, completed with what the server has, checked as it is typed. It lies in a shadow root,
// where CodeMirror brings its style as a constructed sheet, which the content security policy allows.

import { acceptCompletion, autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap, startCompletion } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { HighlightStyle, syntaxHighlighting } from "@codemirror/language";
import { lintKeymap } from "@codemirror/lint";
import { Compartment, EditorState, Prec } from "@codemirror/state";
import { drawSelection, EditorView, keymap, placeholder } from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { PromQLExtension } from "@prometheus-io/codemirror-promql";
import type { PrometheusConfig } from "@prometheus-io/codemirror-promql/dist/esm/client/prometheus";
import { type RefObject, useEffect, useRef } from "react";
import { call } from "../api/client";
import { useDark } from "../shell/theme";

const highlight = HighlightStyle.define([
  { tag: tags.number, color: "var(--series-1)" },
  { tag: tags.string, color: "var(--series-2)" },
  { tag: [tags.keyword, tags.function(tags.variableName), tags.modifier], color: "var(--series-6)" },
  { tag: tags.labelName, color: "var(--series-4)" },
  { tag: tags.comment, color: "var(--muted)", fontStyle: "italic" },
  { tag: tags.operator, color: "var(--muted)" },
  { tag: tags.invalid, color: "var(--bad)" },
]);

const look = (dark: boolean) =>
  EditorView.theme(
    {
      "&": { fontSize: "13px", backgroundColor: "var(--panel)", color: "var(--text)", border: "1px solid var(--line-strong)", borderRadius: "6px" },
      "&.cm-focused": { outline: "2px solid var(--accent)", outlineOffset: "0px" },
      ".cm-content": { fontFamily: "var(--mono)", padding: "5px 2px", caretColor: "var(--text)" },
      ".cm-scroller": { lineHeight: "1.5", maxHeight: "160px" },
      ".cm-cursor": { borderLeftColor: "var(--text)" },
      ".cm-placeholder": { color: "var(--faint)" },
      "&.cm-focused .cm-selectionBackground, .cm-selectionBackground": { backgroundColor: "var(--selected) !important" },
      ".cm-tooltip": { backgroundColor: "var(--raised)", border: "1px solid var(--line-strong)", borderRadius: "6px", color: "var(--text)", boxShadow: "var(--shadow-high)" },
      ".cm-tooltip.cm-tooltip-autocomplete > ul": { fontFamily: "var(--mono)", fontSize: "12px", maxHeight: "260px" },
      ".cm-tooltip-autocomplete ul li[aria-selected]": { backgroundColor: "var(--selected)", color: "var(--text)" },
      ".cm-completionDetail": { color: "var(--muted)", fontStyle: "normal" },
      ".cm-completionIcon": { display: "none" },
      // The pictures that underline by default are data, which the content security policy does not let in.
      ".cm-lintRange-error, .cm-lintRange-warning, .cm-lintRange-info, .cm-lintRange-hint": { backgroundImage: "none" },
      ".cm-lintRange-error": { textDecoration: "underline wavy var(--bad)", textUnderlineOffset: "3px" },
      ".cm-lintRange-warning": { textDecoration: "underline wavy var(--warn)", textUnderlineOffset: "3px" },
      ".cm-diagnostic-error": { borderLeft: "3px solid var(--bad)" },
    },
    { dark },
  );

/** Names for completion come from Prometheus' own paths, signed in like every other call. */
const remote: PrometheusConfig = { url: "", fetchFn: (where: RequestInfo) => call(String(where)), httpMethod: "GET", lookbackInterval: 3600_000, cache: { maxAge: 60_000 } };

interface Props {
  value: string;
  onChange: (text: string) => void;
  /** With the text as it stands here, which may be newer than `value`. */
  onRun: (text: string) => void;
  label: string;
  /** Whether the field that stood here before had the focus. */
  takesFocus: RefObject<boolean>;
}

export default function PromqlField({ value, onChange, onRun, label, takesFocus }: Props) {
  const host = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView | null>(null);
  const theme = useRef(new Compartment());
  const handlers = useRef({ onChange, onRun });
  handlers.current = { onChange, onRun };
  const dark = useDark();
  useEffect(() => {
    const element = host.current;
    if (!element) return undefined;
    const root = element.shadowRoot ?? element.attachShadow({ mode: "open" });
    const promql = new PromQLExtension().setComplete({ remote });
    const made = new EditorView({
      root,
      parent: root,
      state: EditorState.create({
        doc: value,
        selection: { anchor: value.length },
        extensions: [
          Prec.highest(
            keymap.of([
              { key: "Enter", run: (editor) => acceptCompletion(editor) || (handlers.current.onRun(editor.state.doc.toString()), true) },
              { key: "Shift-Enter", run: (editor) => (editor.dispatch(editor.state.replaceSelection("\n")), true) },
              // Tab goes on to the next field, unless a completion is open.
              { key: "Tab", run: acceptCompletion },
            ]),
          ),
          history(),
          drawSelection(),
          closeBrackets(),
          // What is offered is what Enter takes, from the moment it is seen.
          autocompletion({ interactionDelay: 0 }),
          EditorView.lineWrapping,
          keymap.of([...closeBracketsKeymap, ...defaultKeymap, ...historyKeymap, ...completionKeymap, ...lintKeymap]),
          placeholder("PromQL, such as sum by (job) (rate(http_requests_total[5m]))"),
          promql.asExtension(),
          syntaxHighlighting(highlight),
          theme.current.of(look(false)),
          EditorView.contentAttributes.of({ "aria-label": label }),
          EditorView.updateListener.of((update) => {
            if (update.docChanged) handlers.current.onChange(update.state.doc.toString());
          }),
        ],
      }),
    });
    view.current = made;
    if (takesFocus.current) {
      takesFocus.current = false;
      made.focus();
      if (value !== "") startCompletion(made);
    }
    return () => {
      made.destroy();
      view.current = null;
    };
  }, [label]);
  useEffect(() => {
    view.current?.dispatch({ effects: theme.current.reconfigure(look(dark)) });
  }, [dark]);
  useEffect(() => {
    const editor = view.current;
    if (editor && editor.state.doc.toString() !== value) editor.dispatch({ changes: { from: 0, to: editor.state.doc.length, insert: value } });
  }, [value]);
  return <div ref={host} className="promql" />;
}
