// The sign-in, above the page: whatever stands in the page stays as it is.

import { useState } from "react";
import { session } from "../api/session";
import { Button } from "../ui/basic";
import { Dialog } from "../ui/dialog";
import { useSignInNeeded } from "./Connection";

export function SignIn() {
  const isNeeded = useSignInNeeded();
  const [token, setToken] = useState("");
  const [wrong, setWrong] = useState<string>();
  const [busy, setBusy] = useState(false);
  if (!isNeeded) return null;
  const submit = (): void => {
    setBusy(true);
    void session.signIn(token.trim()).then((problem) => {
      setBusy(false);
      setWrong(problem);
      if (problem === undefined) setToken("");
    });
  };
  return (
    <Dialog title="Sign in to Mainstay" onSubmit={submit} foot={<Button type="submit" look="primary" disabled={busy || token.trim() === ""}>Sign in</Button>}>
      <p className="muted">What you have open and typed stays behind this dialog.</p>
      <div className="field">
        <label htmlFor="token">Token of the server</label>
        <input id="token" className="input mono" type="password" autoComplete="off" autoFocus value={token} onChange={(event) => setToken(event.target.value)} aria-invalid={wrong !== undefined} aria-describedby="token-help" />
        {wrong && <span className="wrong" role="alert">{wrong}</span>}
        <span className="help" id="token-help">It is in the file <code>token</code> of the server's data directory.</span>
      </div>
    </Dialog>
  );
}
