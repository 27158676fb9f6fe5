//! Incidents as folds of the journal.
