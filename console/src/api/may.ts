// What whoever is signed in may do: verbs that they may not are shown, and say why not.

import { useQuery } from "@tanstack/react-query";
import * as ask from "./queries";

/** What is asked for, in words, and the least of the roles that have it. */
const PERMISSIONS = {
  respond: ["answer to what happens", "responder"],
  run: ["start or stop procedures", "responder"],
  operate: ["see to triggers", "operator"],
  apply: ["apply changes", "operator"],
  approve: ["approve or refuse changes", "approver"],
} as const;

type Permission = keyof typeof PERMISSIONS;

/** Why they may not do this to a workload (to any at all, where none is named); nothing where they may, or while it is not
    known: the server has the last word. */
export function useRefusal(permission: Permission, workload?: string): string | undefined {
  const me = useQuery(ask.me(workload));
  if (!me.data || me.data.permissions.includes(permission)) return undefined;
  const [words, role] = PERMISSIONS[permission];
  return `${me.data.user} may not ${words}${workload ? ` of ${workload}` : ""}: that needs the role ${role}, which an administrator grants`;
}
