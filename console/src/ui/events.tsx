// Events as pages show them: a mark for how one looks, and a line that leads to what it is about.

import { Link } from "@tanstack/react-router";
import type { Event } from "../api/types";
import { eventLink, eventTone, sentence } from "../lib/events";
import { Time } from "./basic";
import { ToneIcon } from "./icons";

/** Nothing turns beside what is over: what began is drawn as a plain ring in its colour. */
export function EventMark({ event }: { event: { type: string; data?: unknown } }) {
  const look = eventTone(event);
  return <span className={`state mark tone-${look}`}><ToneIcon tone={look === "active" ? "idle" : look} /></span>;
}

export function FeedLine({ event, to = eventLink(event) }: { event: Event; to?: string | undefined }) {
  return (
    <li>
      <span className="feed-at faint"><Time at={event.time} as="clock" /></span>
      <EventMark event={event} />
      {to ? <Link to={to} className="wrap">{sentence(event)}</Link> : <span className="wrap">{sentence(event)}</span>}
    </li>
  );
}
