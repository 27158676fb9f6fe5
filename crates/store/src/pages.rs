//! Rows of a table one by one, read in pages.

use serde_json::Value;

use crate::{Journal, RowQuery, StoreError};

/// So many rows are in memory at once where all of them are gone through.
const PAGE: usize = 512;

/// Rows of a table in the order of a query, from where it begins to the table's end, read in pages of as many as it asks
/// for at once. A page is read when its first row is wanted, and each page is of a moment of its own: a row that comes or
/// goes meanwhile is there or not.
///
/// Every list that takes what it wants of many rows is made of this, so that none of them reads to the end for nothing.
pub fn rows_from<'a>(journal: &'a dyn Journal, table: &'a str, query: RowQuery) -> RowsFrom<'a> {
    let query = RowQuery { limit: query.limit.max(1), ..query };
    RowsFrom { journal, table, query, page: Vec::new().into_iter(), is_last: false }
}

/// All rows of a table in the order of their ids, however many there are.
pub fn all_rows<'a>(journal: &'a dyn Journal, table: &'a str) -> RowsFrom<'a> {
    rows_from(journal, table, RowQuery::by_id(PAGE))
}

/// All rows that stand under an id, in the order of their ids.
pub fn rows_under<'a>(journal: &'a dyn Journal, table: &'a str, id: &str) -> RowsFrom<'a> {
    rows_from(journal, table, RowQuery { limit: PAGE, ..RowQuery::under(id) })
}

/// What [`rows_from`] gives: ids and rows. An error is the last of it.
pub struct RowsFrom<'a> {
    journal: &'a dyn Journal,
    table: &'a str,
    /// What the next page is asked by.
    query: RowQuery,
    page: std::vec::IntoIter<(String, Value)>,
    is_last: bool,
}

impl RowsFrom<'_> {
    /// The first of those that `take` makes something of, as many as are wanted.
    pub fn first<T>(
        self,
        wanted: usize,
        mut take: impl FnMut(String, Value) -> Result<Option<T>, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        self.filter_map(|row| row.and_then(|(id, row)| take(id, row)).transpose()).take(wanted).collect()
    }
}

impl Iterator for RowsFrom<'_> {
    type Item = Result<(String, Value), StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(row) = self.page.next() {
            return Some(Ok(row));
        }
        if self.is_last {
            return None;
        }
        match self.journal.rows(self.table, &self.query) {
            Ok(rows) => {
                self.is_last = rows.len() < self.query.limit;
                if let Some((id, _)) = rows.last() {
                    self.query.after_id = Some(id.clone());
                }
                self.page = rows.into_iter();
                self.page.next().map(Ok)
            }
            Err(error) => {
                self.is_last = true;
                Some(Err(error))
            }
        }
    }
}
