// Lists that go on by a cursor: how they are read, and how they stay true while things happen, however long they have
// become: what has changed is read again, and not every page of 50,000 rows.

import { type InfiniteData, infiniteQueryOptions, type QueryClient, type QueryKey, useInfiniteQuery } from "@tanstack/react-query";
import { useCallback, useMemo } from "react";
import type { Page } from "./types";

type Cursor = string | undefined;
type Pages<T> = InfiniteData<Page<T>, Cursor>;

/** Lists of so many pages are read again whole. */
const FEW = 2;

/** With `lookMs`, a list of few pages is looked at again that often: some of what it shows moves without an event. */
export function listOptions<T>(queryKey: QueryKey, page: (cursor: Cursor, signal: AbortSignal) => Promise<Page<T>>, lookMs?: number) {
  return infiniteQueryOptions<Page<T>, Error, Pages<T>, QueryKey, Cursor>({
    queryKey,
    queryFn: ({ signal, pageParam }) => page(pageParam, signal),
    initialPageParam: undefined,
    getNextPageParam: (last) => last.next,
    // For `refresh`, which reads single pages.
    meta: { page },
    refetchInterval: (query) => (lookMs !== undefined && (query.state.data?.pages.length ?? 0) <= FEW ? lookMs : false),
  });
}

/** The rows that are loaded, and `more` for those that come after them. */
export function useList<T>(options: ReturnType<typeof listOptions<T>>) {
  const asked = useInfiniteQuery(options);
  const rows = useMemo(() => asked.data?.pages.flatMap((page) => page.items) ?? [], [asked.data]);
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = asked;
  const more = useCallback(() => {
    if (hasNextPage && !isFetchingNextPage) void fetchNextPage();
  }, [hasNextPage, isFetchingNextPage, fetchNextPage]);
  return { asked, rows, more };
}

type Row = { id: string };

/** Puts pages that were read again into a list. Rows that newer ones have pushed off the first page stay where they were; if
    none of the first page is known, so many are new that the list begins anew. */
export function renewed<T extends Row>(before: Pages<T>, again: Map<number, Page<T>>): Pages<T> {
  const [first, head] = [before.pages[0], again.get(0)];
  const pages = before.pages.map((page, at) => again.get(at) ?? page);
  if (first && head) {
    const is = new Set(head.items.map((row) => row.id));
    if (head.next !== undefined && !first.items.some((row) => is.has(row.id))) return { pages: [head], pageParams: [undefined] };
    if (before.pages.length > 1) {
      // What is gone from the midst is gone; what was pushed off the end is not.
      const last = first.items.findLastIndex((row) => is.has(row.id));
      pages[0] = { items: [...head.items, ...first.items.slice(last + 1)], ...(first.next === undefined ? {} : { next: first.next }) };
    }
  }
  return { pages, pageParams: before.pageParams };
}

/** Reads again what events have changed of a list: its first page, and the pages that hold one of these rows. */
export async function refresh(client: QueryClient, prefix: QueryKey, touched: ReadonlySet<string>): Promise<void> {
  const lists = client.getQueryCache().findAll({ queryKey: prefix });
  await Promise.all(
    lists.map(async (query) => {
      const data = query.state.data as Pages<Row> | undefined;
      const page = query.meta?.page as ((cursor: Cursor, signal: AbortSignal) => Promise<Page<Row>>) | undefined;
      if (!page || !data || data.pages.length <= FEW || !query.isActive()) return client.invalidateQueries({ queryKey: query.queryKey, exact: true });
      const wanted = data.pages.flatMap((one, at) => (at === 0 || one.items.some((row) => touched.has(row.id)) ? [at] : []));
      const again = new Map<number, Page<Row>>();
      try {
        for (const at of wanted) again.set(at, await page(data.pageParams[at], new AbortController().signal));
      } catch {
        // The line is cut; when it stands again everything is read.
        return undefined;
      }
      client.setQueryData<Pages<Row>>(query.queryKey, (now) => (now ? renewed(now, again) : now));
      return undefined;
    }),
  );
}
