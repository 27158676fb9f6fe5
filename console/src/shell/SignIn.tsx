// The sign-in, above the page: whatever stands in the page stays as it is.

import { useQuery } from "@tanstack/react-query";
import { useState, useSyncExternalStore } from "react";
import { address } from "../api/client";
import * as ask from "../api/queries";
import { type Refusal, session } from "../api/session";
import { length } from "../lib/format";
import { Button } from "../ui/basic";
import { Dialog } from "../ui/dialog";

export const useSignInNeeded = () => useSyncExternalStore(session.subscribe, () => session.isNeeded);

export function SignIn() {
  const isNeeded = useSignInNeeded();
  const isHidden = useSyncExternalStore(session.subscribe, () => session.isHidden);
  // A dialog that opens later lies above those that are open already.
  return isNeeded ? <Form key={String(isHidden)} before={session.user} isHidden={isHidden} /> : null;
}

function Form({ before, isHidden }: { before: string | undefined; isHidden: boolean }) {
  const [user, setUser] = useState(before ?? "");
  const [password, setPassword] = useState("");
  const [wrong, setWrong] = useState<Refusal>();
  const [busy, setBusy] = useState(false);
  const ways = useQuery(ask.signInWays);
  const submit = (): void => {
    setBusy(true);
    void session.signIn(user.trim(), password).then((problem) => {
      setBusy(false);
      setWrong(problem);
      setPassword("");
    });
  };
  return (
    <Dialog title="Sign in to Mainstay" onSubmit={submit} hides={isHidden} foot={<Button type="submit" look="primary" disabled={busy || user.trim() === "" || password === ""}>{busy ? "Signing in …" : "Sign in"}</Button>}>
      {before !== undefined && <p>{isHidden ? "You have signed out in another tab." : "The session has ended."} What you have typed is still there, and goes on when you sign in again as {before}.</p>}
      <div className="field">
        <label htmlFor="sign-in-name">Name</label>
        <input id="sign-in-name" className="input" autoComplete="username" autoCapitalize="none" spellCheck={false} value={user} onChange={(event) => setUser(event.target.value)} />
      </div>
      <div className="field">
        <label htmlFor="sign-in-password">Password</label>
        <input id="sign-in-password" className="input" type="password" autoComplete="current-password" data-first={before !== undefined && before !== "operator" ? true : undefined} value={password} onChange={(event) => setPassword(event.target.value)} aria-invalid={wrong !== undefined} aria-describedby="sign-in-help" />
        {wrong && <span className="wrong" role="alert">{wrong.title}{wrong.hint ? ` (${wrong.hint})` : ""}{wrong.retry_after_ms ? `. Try again in ${length(wrong.retry_after_ms)}` : ""}</span>}
      </div>
      {ways.data?.providers.map((one) => (
        <a key={one.name} className="button" href={address(one.path, {}, before === undefined ? { back: window.location.pathname + window.location.search } : {})} {...(before === undefined ? {} : { target: "_blank", rel: "noopener" })}>
          Sign in with {one.title}{before === undefined ? "" : " in another tab"}
        </a>
      ))}
      <p className="muted" id="sign-in-help">No name yet, or no password? On the server's machine <code>mainstay login-link</code> prints a link that signs this browser in, once; with <code>--user NAME</code> for somebody else. Open it in another tab: this page goes on by itself.</p>
    </Dialog>
  );
}
