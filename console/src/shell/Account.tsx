// Who is signed in, and the ways out: the password, and the end of the session.

import { useMutation, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { post } from "../api/client";
import * as ask from "../api/queries";
import { session } from "../api/session";
import { Button, Failure } from "../ui/basic";
import { Dialog, Menu, type MenuItem } from "../ui/dialog";
import { Icon } from "../ui/icons";
import { toast } from "../ui/toast";

/** As many as the server asks for. */
const LEAST = 12;

export function Account() {
  const me = useQuery(ask.me());
  const [isChanging, setChanging] = useState(false);
  if (!me.data) return null;
  const { user, via, grants } = me.data;
  // Who signs in with an account elsewhere is given a password by who administers users, or none.
  const changes = via === "session" && user !== "operator" && (me.data.has_password || !me.data.signs_in_with);
  const items: MenuItem[] = [
    ...(changes ? [{ label: me.data.has_password ? "Change the password …" : "Choose a password …", onSelect: () => setChanging(true) }] : []),
    ...(via === "session" ? [{ label: "Sign out", onSelect: () => void session.signOut().then((done) => done || toast("bad", "The server does not answer; you are still signed in")) }] : []),
  ];
  const may = grants.map((grant) => `${grant.role}${grant.on === "*" ? "" : ` on ${grant.on}`}`).join(", ");
  return (
    <>
      <Menu label={`Signed in as ${user}`} button={() => <><Icon name="person" /> <span className="nav-name cut">{user}</span></>} items={items} note={<><strong>{user}</strong> {may || "nothing was granted yet"}</>} />
      {isChanging && <Password hasOne={me.data.has_password} onClose={() => setChanging(false)} />}
    </>
  );
}

function Password({ hasOne, onClose }: { hasOne: boolean; onClose: () => void }) {
  const [current, setCurrent] = useState("");
  const [wanted, setWanted] = useState("");
  const [revokes, setRevokes] = useState(false);
  const change = useMutation({
    mutationFn: () => post("/v1/me/password", { body: { ...(hasOne ? { current } : {}), new: wanted, revoke_tokens: revokes } }),
    onSuccess: () => {
      onClose();
      toast("good", "The password is changed; your other sessions have ended");
    },
  });
  const isShort = wanted.length < LEAST;
  return (
    <Dialog title={hasOne ? "Change the password" : "Choose a password"} onClose={onClose} onSubmit={() => change.mutate()} foot={<><Button onClick={onClose}>Cancel</Button><Button type="submit" look="primary" disabled={isShort || change.isPending}>{change.isPending ? "Changing …" : "Change"}</Button></>}>
      {hasOne && <div className="field"><label htmlFor="password-now">The current one</label><input id="password-now" className="input" type="password" autoComplete="current-password" value={current} onChange={(event) => setCurrent(event.target.value)} /></div>}
      <div className="field"><label htmlFor="password-new">The new one</label><input id="password-new" className="input" type="password" autoComplete="new-password" value={wanted} aria-describedby="password-help" onChange={(event) => setWanted(event.target.value)} /><span className="help" id="password-help">{LEAST} characters at least. All your other sessions end.</span></div>
      {hasOne && <label className="check"><input type="checkbox" checked={revokes} onChange={(event) => setRevokes(event.target.checked)} /> Take my tokens back, too</label>}
      {change.isError && <Failure error={change.error} />}
    </Dialog>
  );
}
