//! The journal and its folds on SQLite, with an in-memory twin.
