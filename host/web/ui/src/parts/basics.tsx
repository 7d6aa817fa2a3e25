// Small parts that many pages use: the command twin, times, tags, what is shown while there is nothing to show.
import { type ReactNode, useEffect, useState } from "react";
import type { Tag } from "../api/types";
import { useZone } from "../lib/stored";
import { absolute, ago } from "../lib/time";
import { t } from "../strings";
import { Icon } from "./Icon";

/** The time, again every `everyMs`; stands still while `active` is false. */
export function useNow(active = true, everyMs = 1000): number {
  const [now, setNow] = useState(() => Date.now() / 1000);
  useEffect(() => {
    if (!active) return;
    setNow(Date.now() / 1000);
    const timer = setInterval(() => setNow(Date.now() / 1000), everyMs);
    return () => clearInterval(timer);
  }, [active, everyMs]);
  return now;
}

export function Copy({ text, label = t.copy }: { text: string; label?: string }) {
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    setCopied(true);
    setTimeout(() => setCopied(false), 1500);
  };
  return (
    <button type="button" className="btn btn-quiet px-1.5" onClick={copy} aria-label={`${label}: ${text}`}>
      <Icon name={copied ? "check" : "copy"} size={15} />
      <span className="sr-only" aria-live="polite">{copied ? t.copied : ""}</span>
    </button>
  );
}

/** Text in which `backticks` mark what is code, as the server writes it. */
export function Ticked({ text }: { text: string }) {
  return text.split("`").map((part, i) => (i % 2 === 1 ? <code key={i} className="mono rounded bg-raised px-1">{part}</code> : part));
}

/** The command that does the same as what it stands beside. */
export function Cli({ command }: { command: string }) {
  return (
    <div className="inline-flex max-w-full items-center rounded-md border border-line bg-raised pl-2" data-cli={command}>
      <code className="mono truncate" title={command}>{command}</code>
      <Copy text={command} label={t.copyCommand} />
    </div>
  );
}

export function Time({ at, now }: { at: number | null; now?: number }) {
  const zone = useZone();
  if (at === null) return <span className="text-muted">–</span>;
  return (
    <time dateTime={new Date(at * 1000).toISOString()} title={absolute(at, zone)} className="whitespace-nowrap">
      {now === undefined ? absolute(at, zone) : ago(at, now)}
    </time>
  );
}

export function Tags({ tags, link }: { tags: Tag[]; link?: (tag: Tag) => ReactNode }) {
  return tags.map((tag) => (
    <span key={tag.key} className="chip max-w-64 truncate">{link ? link(tag) : `${tag.key}=${tag.value}`}</span>
  ));
}

/** A line of a `dl`. */
export const Fact = ({ name, children }: { name: string; children: ReactNode }) => (
  <div className="grid grid-cols-[140px_1fr] gap-3 py-1 max-sm:grid-cols-[100px_1fr]"><dt className="text-muted">{name}</dt><dd className="min-w-0 break-words">{children}</dd></div>
);

export function Loading({ what }: { what: string }) {
  return (
    <div role="status" className="flex items-center gap-2 p-6 text-muted">
      <Icon name="half" spin /> {t.loading(what)}
    </div>
  );
}

/** A page that is still to come, or that is asked for again after an error, has its heading. */
export function LoadingPage({ title }: { title: string }) {
  return <><PageHead title={title} /><Loading what={title} /></>;
}

export function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div className="flex flex-col items-center gap-3 p-10 text-center text-muted">
      <p className="text-base font-medium text-text">{title}</p>
      {children}
    </div>
  );
}

/** What went wrong, in the server's words, and what may be done about it. */
export function Problem({ error, retry }: { error: unknown; retry?: () => void }) {
  const message = error instanceof Error ? error.message : String(error);
  return (
    <div role="alert" className="m-3 flex flex-wrap items-start gap-3 rounded-lg border border-failed bg-failed-bg p-3">
      <span className="mt-0.5 text-failed"><Icon name="warning" /></span>
      <div className="min-w-0 flex-1">
        <p className="font-medium break-words whitespace-pre-wrap">{message}</p>
      </div>
      {retry && <button type="button" className="btn" onClick={retry}>{t.again}</button>}
    </div>
  );
}

/** The head of a page: what it is about, what can be done, and the command for it. */
export function PageHead({ title, children, command, below }: { title: ReactNode; children?: ReactNode; command?: string; below?: ReactNode }) {
  return (
    <header className="mb-3 flex flex-col gap-2">
      <div className="flex flex-wrap items-center gap-x-3 gap-y-2">
        <h1 className="min-w-0 break-words">{title}</h1>
        <div className="ml-auto flex flex-wrap items-center gap-2">{children}</div>
      </div>
      {below}
      {command && <div><Cli command={command} /></div>}
    </header>
  );
}

/** Tabs that live in the address. Arrow keys move between them, as they do everywhere. */
export function Tabs<T extends string>({ label, value, tabs, onChange }: { label: string; value: T; tabs: { id: T; label: ReactNode }[]; onChange: (id: T) => void }) {
  const move = (by: number, list: HTMLElement) => {
    const at = tabs.findIndex((tab) => tab.id === value);
    const next = tabs[(at + by + tabs.length) % tabs.length]!;
    onChange(next.id);
    list.querySelector<HTMLElement>(`[data-tab="${next.id}"]`)?.focus();
  };
  return (
    <div role="tablist" aria-label={label} className="flex overflow-x-auto border-b border-line"
      onKeyDown={(e) => {
        if (e.key === "ArrowRight" || e.key === "ArrowLeft") move(e.key === "ArrowRight" ? 1 : -1, e.currentTarget);
      }}>
      {tabs.map((tab) => (
        <button key={tab.id} type="button" role="tab" data-tab={tab.id} className="tab" aria-selected={tab.id === value}
          tabIndex={tab.id === value ? 0 : -1} onClick={() => onChange(tab.id)}>
          {tab.label}
        </button>
      ))}
    </div>
  );
}
