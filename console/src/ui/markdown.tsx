// Markdown as our own drafts and descriptions use it: headings, lists, tables, code, emphasis and links. It becomes
// elements and never HTML, so whatever has come into it stays text.

import { Fragment, type ReactNode } from "react";

function inline(text: string): ReactNode[] {
  const out: ReactNode[] = [];
  const pattern = /`([^`]+)`|\*\*([^*]+)\*\*|\*([^*\s][^*]*)\*|_([^_\s][^_]*)_|\[([^\]]+)\]\(([^)\s]+)\)/g;
  let last = 0;
  for (const match of text.matchAll(pattern)) {
    if (match.index > last) out.push(unescape(text.slice(last, match.index)));
    const key = match.index;
    if (match[1] !== undefined) out.push(<code key={key}>{match[1]}</code>);
    else if (match[2] !== undefined) out.push(<strong key={key}>{unescape(match[2])}</strong>);
    else if (match[3] !== undefined || match[4] !== undefined) out.push(<em key={key}>{unescape(match[3] ?? match[4] ?? "")}</em>);
    else {
      const to = match[6] ?? "";
      // Only the web; what a `javascript:` link would do is nobody's wish.
      out.push(/^https?:\/\//.test(to) ? <a key={key} className="link" href={to} rel="noreferrer noopener" target="_blank">{match[5]}</a> : <Fragment key={key}>{match[5]}</Fragment>);
    }
    last = match.index + match[0].length;
  }
  if (last < text.length) out.push(unescape(text.slice(last)));
  return out;
}

function unescape(text: string): string {
  return text.replace(/\\([\\`*_{}[\]()#+\-.!|<>&~])/g, "$1");
}

export function Markdown({ text }: { text: string }) {
  const lines = text.replace(/<!--[\s\S]*?-->/g, "").split("\n");
  const out: ReactNode[] = [];
  let at = 0;
  const take = (test: (line: string) => boolean): string[] => {
    const taken: string[] = [];
    while (at < lines.length && test(lines[at] ?? "")) taken.push(lines[at++] ?? "");
    return taken;
  };
  while (at < lines.length) {
    const line = lines[at] ?? "";
    const key = at;
    const heading = /^(#{1,6})\s+(.*)$/.exec(line);
    if (line.trim() === "") at += 1;
    else if (heading) {
      at += 1;
      const Tag = (["h2", "h2", "h3", "h4", "h5", "h6"] as const)[(heading[1]?.length ?? 1) - 1] ?? "h3";
      out.push(<Tag key={key}>{inline(heading[2] ?? "")}</Tag>);
    } else if (line.startsWith("```")) {
      at += 1;
      const code = take((one) => !one.startsWith("```"));
      at += 1;
      out.push(<pre key={key} className="pre" tabIndex={0}>{code.join("\n")}</pre>);
    } else if (/^\s*\|.*\|\s*$/.test(line)) {
      const rows = take((one) => /^\s*\|.*\|\s*$/.test(one)).map((row) => row.trim().slice(1, -1).split(/(?<!\\)\|/).map((cell) => cell.trim()));
      const isRule = (row: string[]): boolean => row.every((cell) => /^:?-+:?$/.test(cell));
      const hasHead = rows[1] !== undefined && isRule(rows[1]);
      out.push(
        <div key={key} className="md-table" tabIndex={0} role="region" aria-label="Table"><table>
          {hasHead && <thead><tr>{rows[0]?.map((cell, n) => <th key={n} scope="col">{inline(cell)}</th>)}</tr></thead>}
          <tbody>{rows.slice(hasHead ? 2 : 0).map((row, n) => <tr key={n}>{row.map((cell, m) => <td key={m}>{inline(cell)}</td>)}</tr>)}</tbody>
        </table></div>,
      );
    } else if (/^\s*([-*+]|\d+\.)\s+/.test(line)) {
      const isOrdered = /^\s*\d+\./.test(line);
      const items: string[] = [];
      while (at < lines.length) {
        const one = lines[at] ?? "";
        if (/^\s*([-*+]|\d+\.)\s+/.test(one)) items.push(one.replace(/^\s*([-*+]|\d+\.)\s+/, ""));
        else if (/^\s{2,}\S/.test(one) && items.length > 0) items[items.length - 1] += ` ${one.trim()}`;
        else break;
        at += 1;
      }
      const body = items.map((item, n) => {
        const box = /^\[([ xX])\]\s+(.*)$/.exec(item);
        return <li key={n}>{box ? <><span aria-label={box[1] === " " ? "to do" : "done"}>{box[1] === " " ? "☐" : "☑"}</span> {inline(box[2] ?? "")}</> : inline(item)}</li>;
      });
      out.push(isOrdered ? <ol key={key}>{body}</ol> : <ul key={key}>{body}</ul>);
    } else if (line.startsWith(">")) {
      const quoted = take((one) => one.startsWith(">")).map((one) => one.replace(/^>\s?/, ""));
      out.push(<blockquote key={key}>{inline(quoted.join(" "))}</blockquote>);
    } else {
      const words = take((one) => one.trim() !== "" && !/^(#{1,6}\s|```|>|\s*\||\s*([-*+]|\d+\.)\s)/.test(one));
      if (words.length === 0) words.push(lines[at++] ?? "");
      out.push(<p key={key}>{inline(words.join(" "))}</p>);
    }
  }
  return <div className="md">{out}</div>;
}
