// Who is here and with which role, and the way out. Nothing where the pages take no token.
import { useMutation } from "@tanstack/react-query";
import { signOut } from "../api/session";
import { Icon } from "../parts/Icon";
import { useVisitor } from "../parts/may";
import { t } from "../strings";

export function Visitor() {
  const visitor = useVisitor();
  const leave = useMutation({ mutationFn: signOut });
  if (!visitor) return null;
  const role = t.roles.names[visitor.role];
  return (
    <div role="group" aria-label={t.roles.here} className="flex shrink-0 items-center gap-1 md:mt-1 md:flex-col md:items-stretch md:border-t md:border-line md:pt-2" data-visitor={visitor.name}>
      <p className="min-w-0 pl-2 leading-tight" title={`${visitor.name}, ${role}`}>
        <span className="block truncate font-medium max-md:max-w-20 max-md:text-xs">{visitor.name}</span> <span className="block text-xs text-muted">{role}</span>
      </p>
      <button type="button" className="btn btn-quiet justify-start px-2" disabled={leave.isPending} onClick={() => leave.mutate()}><Icon name="leave" /> <span className="max-md:sr-only">{t.signIn.leave}</span></button>
      {leave.error && <p role="alert" className="px-2 text-xs text-failed">{leave.error.message}</p>}
    </div>
  );
}
