// The mark of Cofferdam: piles in water.
export function Logo() {
  return (
    <svg aria-hidden="true" width="22" height="22" viewBox="0 0 32 32" fill="none" strokeLinecap="round">
      <rect width="32" height="32" rx="7" className="fill-accent" />
      <path d="M8 8v12M13.3 8v12M18.7 8v12M24 8v12" className="stroke-on-accent" strokeWidth="3" />
      <path d="M5 25q2.7-2 5.5 0t5.5 0 5.5 0 5.5 0" className="stroke-on-accent" strokeWidth="2" />
    </svg>
  );
}
