// In the place of every page while nobody is signed in: takes a token, and says how to come by one.
import { useMutation } from "@tanstack/react-query";
import { useEffect, useRef } from "react";
import { signIn } from "../api/session";
import { cli } from "../lib/cli";
import { Copy } from "../parts/basics";
import { Icon } from "../parts/Icon";
import { t } from "../strings";
import { Logo } from "./Logo";

const CREATE = cli.createToken("NAME", "viewer");

export default function SignIn({ lost }: { lost: boolean }) {
  useEffect(() => {
    document.title = `${t.signIn.title} · Cofferdam`;
  }, []);
  return (
    <main className="flex min-h-full justify-center p-4 sm:items-center">
      <div className="panel flex w-full max-w-md flex-col gap-4 self-start p-5 sm:self-auto sm:p-6">
        <p className="flex items-center gap-2 text-base font-semibold"><Logo /> Cofferdam</p>
        <h1>{t.signIn.title}</h1>
        {lost && <p role="alert" className="flex items-start gap-2 rounded-md bg-warn-bg p-3"><span className="mt-0.5 text-retrying"><Icon name="warning" /></span> {t.signIn.lost}</p>}
        <Form />
        <div className="flex flex-col items-start gap-2 border-t border-line pt-4 text-muted">
          <p>{t.signIn.how}</p>
          <p className="flex w-full items-center rounded-md border border-line bg-raised py-1 pl-3"><code className="mono min-w-0 flex-1 break-words text-text">{CREATE}</code><Copy text={CREATE} label={t.copyCommand} /></p>
          <p>{t.signIn.otherRoles}</p>
        </div>
      </div>
    </main>
  );
}

function Form() {
  const field = useRef<HTMLInputElement>(null);
  const enter = useMutation({ mutationFn: signIn, onError: () => field.current?.focus() });
  const submit = (e: React.FormEvent) => {
    e.preventDefault();
    const token = field.current?.value.trim() ?? "";
    if (!enter.isPending) enter.mutate(token);
  };
  const wrong = enter.error ? { "aria-invalid": true, "aria-describedby": "token-wrong" } : {};
  return (
    <form className="flex flex-col gap-3" onSubmit={submit}>
      <div className="flex flex-col gap-1">
        <label htmlFor="token" className="font-medium">{t.signIn.token}</label>
        <input ref={field} id="token" name="token" type="password" autoComplete="current-password" autoFocus required spellCheck={false} className="field mono min-h-9" {...wrong} />
        {enter.error && <p id="token-wrong" role="alert" className="flex items-start gap-1.5 text-failed"><span className="mt-0.5"><Icon name="cross" size={15} /></span> <span className="min-w-0 break-words">{enter.error.message}</span></p>}
      </div>
      <button type="submit" className="btn btn-primary min-h-9" aria-busy={enter.isPending}>{enter.isPending && <Icon name="half" spin />} {t.signIn.enter}</button>
    </form>
  );
}
