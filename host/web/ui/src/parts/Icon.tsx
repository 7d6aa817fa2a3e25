// The icons of the UI, drawn here so that nothing is loaded for them. Decoration only: a word always stands beside them.
const PATHS = {
  home: "M3 9.5 10 3l7 6.5M5 8v9h10V8",
  runs: "M3 5h14M3 10h9M3 15h11",
  jobs: "M4 3h5v5H4zM11 12h5v5h-5zM6.5 8v6.5H11",
  cluster: "M3 4h14v4H3zM3 12h14v4H3zM6 6h.01M6 14h.01",
  assets: "M10 3c3.9 0 7 1 7 2.5S13.9 8 10 8 3 7 3 5.5 6.1 3 10 3zM3 5.5v9C3 16 6.1 17 10 17s7-1 7-2.5v-9M3 10c0 1.5 3.1 2.5 7 2.5s7-1 7-2.5",
  automation: "M11 2.5 4.5 11H9l-.5 6.5L15.5 9H11z",
  eye: "M2.5 10S5.5 5 10 5s7.5 5 7.5 5-3 5-7.5 5-7.5-5-7.5-5zM10 8a2 2 0 1 0 0 4 2 2 0 0 0 0-4z",
  libraries: "M10 2.5 17 6v8l-7 3.5L3 14V6zM3 6l7 3.5L17 6M10 9.5v8",
  settings: "M3 6h8M15 6h2M3 14h2M9 14h8M13 4v4M7 12v4",
  play: "M6 4l10 6-10 6z",
  check: "M4 10.5 8.5 15 16 5.5",
  cross: "M5 5l10 10M15 5 5 15",
  stop: "M5.5 5.5h9v9h-9z",
  clock: "M10 3a7 7 0 1 0 0 14 7 7 0 0 0 0-14zM10 6v4l3 2",
  circle: "M10 4a6 6 0 1 0 0 12 6 6 0 0 0 0-12z",
  half: "M10 3.5a6.5 6.5 0 1 1-6.5 6.5",
  retry: "M16 10a6 6 0 1 1-2-4.5M16 3v4h-4",
  skip: "M4 5l6 5-6 5zM10 5l6 5-6 5z",
  barred: "M10 3.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13zM5.5 5.5l9 9",
  copy: "M7 7h9v9H7zM4 13V4h9",
  search: "M9 4a5 5 0 1 0 0 10A5 5 0 0 0 9 4zM13 13l4 4",
  sun: "M10 7a3 3 0 1 0 0 6 3 3 0 0 0 0-6zM10 2v2M10 16v2M2 10h2M16 10h2M4.5 4.5 6 6M14 14l1.5 1.5M4.5 15.5 6 14M14 6l1.5-1.5",
  moon: "M16 12.5A7 7 0 0 1 7.5 4 7 7 0 1 0 16 12.5z",
  auto: "M10 3.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13zM10 3.5v13",
  down: "M5 8l5 5 5-5",
  right: "M8 5l5 5-5 5",
  warning: "M10 3l8 14H2zM10 8v4M10 14.5v.01",
  out: "M4 10h12M11 5l5 5-5 5",
  leave: "M8 3.5H4v13h4M8 10h9M13.5 6.5 17 10l-3.5 3.5",
  plus: "M10 4v12M4 10h12",
  minus: "M4 10h12",
  fit: "M3 7V3h4M13 3h4v4M17 13v4h-4M7 17H3v-4",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name, size = 16, spin = false }: { name: IconName; size?: number; spin?: boolean }) {
  return (
    <svg aria-hidden="true" className={spin ? "spin shrink-0" : "shrink-0"} width={size} height={size} viewBox="0 0 20 20" fill="none" stroke="currentColor"
      strokeWidth="1.8" strokeLinecap="round" strokeLinejoin="round">
      <path d={PATHS[name]} />
    </svg>
  );
}
